package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// options are the flags that every scenario has.
type options struct {
	Target      string        `default:"127.0.0.1:5060" placeholder:"HOST:PORT" help:"SIP address of the server, on this machine."`
	Transport   string        `default:"udp" enum:"udp,tcp" help:"udp or tcp."`
	XCAP        string        `name:"xcap" default:"http://127.0.0.1:8080/xcap-root" placeholder:"URL" help:"XCAP root of the server, on this machine."`
	Domain      string        `default:"localhost" help:"SIP domain of the accounts."`
	UserPrefix  string        `default:"bench" help:"The accounts are PREFIX0, PREFIX1, ..."`
	UsersFile   string        `type:"existingfile" placeholder:"FILE" help:"Accounts to use instead, as aor,password lines."`
	Password    string        `default:"rollcall-bench" help:"Password of all accounts."`
	NoAuth      bool          `help:"Send no credentials: the server trusts this address (rollcall serve --trust 127.0.0.1/32)."`
	PID         int           `name:"pid" help:"Process of the server, to measure its CPU time and memory."`
	Duration    time.Duration `help:"Stop making changes after this time, whatever is left to do."`
	Concurrency int           `default:"16" help:"Operations under way at a time."`
	Sockets     int           `default:"8" help:"Sockets or connections that carry all simulated users."`
	Timeout     time.Duration `default:"10s" help:"How long to wait for one answer or NOTIFY."`
	JSON        bool          `name:"json" help:"Print the report as JSON."`
}

// measured runs a scenario and prints what it found.
func (o *options) measured(ctx context.Context, out output, run func(context.Context) (*report, error)) error {
	if err := o.check(); err != nil {
		return err
	}
	r, err := run(ctx)
	if err != nil {
		return err
	}
	return r.print(out, o.JSON)
}

// check refuses what makes no sense or is not on this machine.
func (o *options) check() error {
	if _, err := loopback(o.Target); err != nil {
		return fmt.Errorf("--target: %w", err)
	}
	u, err := url.Parse(o.XCAP)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("--xcap: %q is not an http URL", o.XCAP)
	}
	if u.Port() == "" {
		u.Host += ":80"
	}
	if _, err := loopback(u.Host); err != nil {
		return fmt.Errorf("--xcap: %w", err)
	}
	o.XCAP = strings.TrimRight(o.XCAP, "/")
	if o.Concurrency < 1 || o.Sockets < 1 || o.Timeout <= 0 {
		return fmt.Errorf("--concurrency, --sockets and --timeout must be more than 0")
	}
	return nil
}

// loopback resolves host:port and refuses what is not on this machine.
func loopback(hostport string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address with a port", hostport)
	}
	if !addr.Addr().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("%s is not on this machine: load is for loopback only", host)
	}
	return addr, nil
}

// account is one user of the server.
type account struct {
	aor      string // sip:user@domain
	user     string
	password string
}

func newAccount(aor, password string) (account, error) {
	if !strings.HasPrefix(aor, "sip:") {
		aor = "sip:" + aor
	}
	user, domain, ok := strings.Cut(strings.TrimPrefix(aor, "sip:"), "@")
	if !ok || user == "" || domain == "" {
		return account{}, fmt.Errorf("%q is not an address of record", aor)
	}
	return account{aor: aor, user: user, password: password}, nil
}

// accounts returns the first n accounts.
func (o *options) accounts(n int) ([]account, error) {
	if o.UsersFile == "" {
		list := make([]account, n)
		for i := range list {
			list[i] = o.generated(i)
		}
		return list, nil
	}
	f, err := os.Open(o.UsersFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := readAccounts(f, n)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.UsersFile, err)
	}
	return list, nil
}

func (o *options) generated(i int) account {
	user := fmt.Sprintf("%s%d", o.UserPrefix, i)
	return account{aor: "sip:" + user + "@" + o.Domain, user: user, password: o.Password}
}

func readAccounts(r io.Reader, n int) ([]account, error) {
	var list []account
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(list) < n {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		aor, password, ok := strings.Cut(line, ",")
		if !ok {
			return nil, fmt.Errorf("line %d is not aor,password", len(list)+1)
		}
		a, err := newAccount(strings.TrimSpace(aor), password)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(list) < n {
		return nil, fmt.Errorf("%d accounts, %d are needed: rollcall-bench users %d", len(list), n, n)
	}
	return list, nil
}

// usersCommand prints accounts.
type usersCommand struct {
	N          int    `arg:"" help:"How many."`
	Domain     string `default:"localhost" help:"SIP domain of the accounts."`
	UserPrefix string `default:"bench" help:"The accounts are PREFIX0, PREFIX1, ..."`
	Password   string `default:"rollcall-bench" help:"Password of all accounts."`
}

// Run is called by kong.
func (c *usersCommand) Run(out output) error {
	o := options{Domain: c.Domain, UserPrefix: c.UserPrefix, Password: c.Password}
	w := bufio.NewWriter(out)
	for i := range c.N {
		a := o.generated(i)
		fmt.Fprintf(w, "%s,%s\n", a.aor, a.password)
	}
	return w.Flush()
}
