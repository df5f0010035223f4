// Command rollcall is an XCAP server, a SIP presence server with resource lists,
// a registrar and a relay for messages, in one program. This package reads the
// command line and wires the parts together; it knows no protocol.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"rollcall/internal/config"
)

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	User    userCmd    `cmd:"" help:"Manage accounts."`
	Doc     docCmd     `cmd:"" help:"Read and write stored XCAP documents."`
	Explain explainCmd `cmd:"" help:"Say why somebody does, or does not, see somebody."`
	Policy  policyCmd  `cmd:"" help:"Try and check privacy rules."`
	Import  importCmd  `cmd:"" help:"Take over accounts and documents of another server."`
	Health  healthCmd  `cmd:"" help:"Ask a running server whether it is ready; exit code 0 if it is."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// console is what a command may talk to besides the store.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, con console) int {
	if len(args) > 0 && args[0] == "help" {
		args = append(args[1:len(args):len(args)], "--help")
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	done := false
	parser, err := kong.New(&cli{},
		kong.Name("rollcall"),
		kong.Description("SIP presence with buddy lists: XCAP server, presence server, resource list server and registrar in one."),
		kong.Resolvers(config.Resolver()),
		kong.Writers(con.stdout, con.stderr),
		kong.Exit(func(int) { done = true }), // help was printed
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(con),
	)
	if err != nil {
		return report(con.stderr, err)
	}
	command, err := parser.Parse(args)
	if done {
		return exitOK
	}
	if file, ok := errors.AsType[*config.FileError](err); ok {
		err = file // not a matter of the flag that was looked up in it
	}
	if err != nil {
		return report(con.stderr, usageError{err})
	}
	return report(con.stderr, command.Run())
}

// describe adds to the help of a flag its default, where the placeholder does not
// show it, and its environment variable.
func describe(v *kong.Value) string {
	text := v.Help
	if v.HasDefault && v.Flag != nil && v.Flag.PlaceHolder != "" && v.Default != "" {
		text += " Default: " + v.Default + "."
	}
	if len(v.Tag.Envs) > 0 {
		text += " ($" + v.Tag.Envs[0] + ")"
	}
	return text
}
