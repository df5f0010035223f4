package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"rollcall/internal/config"
)

type serveCmd struct {
	config.Config `embed:""`
}

// Run serves until ctx ends, which the first signal does.
func (c *serveCmd) Run(ctx context.Context, con console) error {
	if err := c.Normalize(); err != nil {
		return usageError{err}
	}
	slog.SetDefault(newLogger(con.stderr, &c.Config))
	n, err := newNode(ctx, &c.Config)
	if err != nil {
		return err
	}
	users, err := c.start(ctx, n)
	if err != nil {
		n.stop()
		return err
	}
	printAddresses(con, n)
	if c.Demo {
		printDemo(con, n, users)
	}
	fmt.Fprintln(con.stdout, "\nReady. Stop with Ctrl-C.")
	select {
	case <-ctx.Done():
		slog.Info("stopping")
		n.stop()
		return nil
	case err := <-n.failed:
		n.stop()
		return err
	}
}

func (c *serveCmd) start(ctx context.Context, n *node) ([]demoUser, error) {
	var users []demoUser
	if c.Demo {
		var err error
		if users, err = demoUsers(ctx, &c.Config, n.store); err != nil {
			return nil, err
		}
	}
	return users, n.start(ctx)
}

func newLogger(w io.Writer, cfg *config.Config) *slog.Logger {
	var level slog.Level
	// The setting is one of the names that slog knows.
	_ = level.UnmarshalText([]byte(cfg.LogLevel))
	opt := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(newCalm(slog.NewJSONHandler(w, opt)))
	}
	return slog.New(newCalm(slog.NewTextHandler(w, opt)))
}

func printAddresses(con console, n *node) {
	w := con.stdout
	fmt.Fprintf(w, "Rollcall %s\n", versionText())
	for _, d := range n.cfg.Domain {
		fmt.Fprintf(w, "  Domain  %s\n", d)
	}
	for _, a := range n.sipAddrs {
		fmt.Fprintf(w, "  SIP     %s (UDP and TCP)\n", a)
	}
	for _, a := range n.sipsAddrs {
		fmt.Fprintf(w, "  SIP     %s (TLS)\n", a)
	}
	for _, url := range n.xcapURLs() {
		fmt.Fprintf(w, "  XCAP    %s\n", url)
	}
	fmt.Fprintf(w, "  Admin   http://%s/ (healthz, readyz, metrics)\n", n.adminAddr())
	if n.cfg.Postgres() {
		fmt.Fprintf(w, "  Data    PostgreSQL\n")
	} else {
		fmt.Fprintf(w, "  Data    %s\n", n.cfg.Data)
	}
}
