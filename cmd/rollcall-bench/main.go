package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Users     usersCommand     `cmd:"" help:"Print N accounts as aor,password lines for \"rollcall user import -\"."`
	Register  registerCommand  `cmd:"" help:"Registrations and their refreshes."`
	Publish   publishCommand   `cmd:"" help:"Publications that nobody watches."`
	Message   messageCommand   `cmd:"" help:"MESSAGE between registered users: nothing lost, nothing twice."`
	Fanout    fanoutCommand    `cmd:"" help:"Presentities publish, watchers are notified: latency, throughput, nothing lost."`
	Subscribe subscribeCommand `cmd:"" help:"Subscriptions per second, then refreshes per second."`
	RLS       rlsCommand       `cmd:"" name:"rls" help:"List subscriptions: full state, then changes of members."`
	XCAP      xcapCommand      `cmd:"" name:"xcap" help:"Reads and writes of documents and elements over HTTP."`
}

// output is where results go.
type output struct{ io.Writer }

// errFailed ends the program with status 1; what failed is in the report.
var errFailed = errors.New("the run is not clean")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var cli commands
	k := kong.Parse(&cli,
		kong.Name("rollcall-bench"),
		kong.Description("Load generator for Rollcall. It refuses targets that are not on this machine."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(output{os.Stdout}),
	)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "rollcall-bench:", err)
		stop()
		os.Exit(1)
	}
}
