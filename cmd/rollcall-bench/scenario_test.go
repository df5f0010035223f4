package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func (s *server) options() options {
	return options{
		Target: s.addr, Transport: "udp", XCAP: s.http.URL, Domain: "localhost", UserPrefix: "bench",
		Password: "secret", Concurrency: 4, Sockets: 2, Timeout: 3 * time.Second,
	}
}

// outcome runs a command and returns what it says.
func outcome(t *testing.T, run func() (*report, error)) (*report, error) {
	t.Helper()
	r, err := run()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = r.print(output{&b}, false)
	t.Log(b.String())
	return r, err
}

func TestFanout(t *testing.T) {
	for _, tt := range []struct {
		name      string
		challenge bool
		transport string
		rate      float64
		fault     string
		want      string // check that must not be zero
	}{
		{name: "closed loop"},
		{name: "closed loop with credentials", challenge: true},
		{name: "open loop", rate: 500},
		{name: "over TCP", transport: "tcp"},
		{name: "stale", rate: 500, fault: "stale", want: faultStale},
		{name: "CSeq backwards", rate: 500, fault: "cseq", want: faultCSeq},
		{name: "NOTIFY before the answer", fault: "early", want: faultEarly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			s.challenge, s.fault = tt.challenge, tt.fault
			c := &fanoutCommand{options: s.options(), Presentities: 3, Watchers: 2, Changes: 4, Rate: tt.rate, Settle: 300 * time.Millisecond}
			if tt.transport != "" {
				c.Transport = tt.transport
			}
			r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
			if tt.want != "" {
				if !errors.Is(err, errFailed) || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("%v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			last := r.Phases[len(r.Phases)-1]
			if last.Operations == 0 || last.Latency["change to NOTIFY"].Max <= 0 {
				t.Errorf("%+v", last)
			}
			if tt.rate == 0 && last.Operations != 3*2*4 {
				t.Errorf("%d states arrived", last.Operations)
			}
			s.inspect(func() {
				if tt.challenge && s.auths < 3*5 {
					t.Errorf("%d requests with credentials", s.auths)
				}
				for _, d := range s.dialogs {
					if !d.ended {
						t.Error("a subscription was left behind")
					}
				}
			})
		})
	}
}

func TestSubscribe(t *testing.T) {
	s := newServer(t)
	c := &subscribeCommand{options: s.options(), Count: 20, Watched: 4, Refreshes: 2, Expires: 600}
	r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Phases) != 3 || r.Phases[2].Operations != 20 || r.Notes["subscriptions active"] != 20 {
		t.Errorf("%+v", r)
	}
	s.inspect(func() {
		if s.dialogs[0].cseq != 4 { // first, two refreshes, last
			t.Errorf("%d NOTIFYs", s.dialogs[0].cseq)
		}
		s.fault = "refuse"
	})
	if _, err := c.run(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("refused: %v", err)
	}
}

func TestRLS(t *testing.T) {
	for _, tt := range []struct{ fault, want string }{{"", ""}, {"version", faultVersion}} {
		s := newServer(t)
		s.fault = tt.fault
		c := &rlsCommand{options: s.options(), Lists: 2, Members: 3, Pool: 4, Changes: 3, Settle: time.Second}
		r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
		if tt.want != "" {
			if !errors.Is(err, errFailed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if last := r.Phases[2]; last.Operations != 2*3*3 {
			t.Errorf("%+v", last)
		}
	}
}

func TestRegister(t *testing.T) {
	s := newServer(t)
	s.inspect(func() { s.challenge = true })
	c := &registerCommand{options: s.options(), Count: 6, Refreshes: 2, Expires: 600}
	r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Phases) != 4 || r.Phases[1].Operations != 6 {
		t.Errorf("%+v", r.Phases)
	}
}

func TestPublish(t *testing.T) {
	s := newServer(t)
	c := &publishCommand{options: s.options(), Count: 5, Changes: 2}
	r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Phases) != 4 || r.Phases[2].Operations != 5 {
		t.Errorf("%+v", r.Phases)
	}
	s.inspect(func() {
		if s.published != 15 {
			t.Errorf("%d states published", s.published)
		}
	})
}

func TestMessage(t *testing.T) {
	for _, tt := range []struct{ fault, want string }{{"", ""}, {"twice", faultUndelivered}, {"refuse", "480"}} {
		s := newServer(t)
		s.inspect(func() { s.fault = tt.fault })
		c := &messageCommand{options: s.options(), Users: 3, Count: 12}
		_, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.fault, err, tt.want)
		}
	}
}

func TestXCAP(t *testing.T) {
	mix := map[string]int{"get": 1, "unchanged": 1, "element-get": 1, "put": 1, "element-put": 1}
	for _, tt := range []struct{ fault, want string }{{"", ""}, {"corrupt", faultDiffers}} {
		s := newServer(t)
		s.challenge, s.fault = true, tt.fault
		if tt.fault != "" {
			mix = map[string]int{"element-put": 1}
		}
		c := &xcapCommand{options: s.options(), Operations: 80, Entries: 3, Mix: mix}
		r, err := outcome(t, func() (*report, error) { return c.run(t.Context()) })
		if tt.want != "" {
			if !errors.Is(err, errFailed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if p := r.Phases[0]; p.Operations != 80 || len(p.Latency) != 5 {
			t.Errorf("%+v", p)
		}
	}
}

// Nobody answers: the run ends with an error and within the timeout.
func TestNoServer(t *testing.T) {
	s := newServer(t)
	o := s.options()
	s.stop()
	o.Timeout = 50 * time.Millisecond
	c := &subscribeCommand{options: o, Count: 1, Watched: 1, Expires: 60, SkipRules: true}
	if _, err := c.run(t.Context()); !errors.Is(err, errTimeout) {
		t.Errorf("%v", err)
	}
}

func TestCommandLine(t *testing.T) {
	var cli commands
	k, err := kong.New(&cli, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  string
		check func() bool // nil: refused
	}{
		{"users 10 --domain example.test", func() bool { return cli.Users.N == 10 && cli.Users.Domain == "example.test" }},
		{"fanout --presentities 5 --watchers 3 --changes 2 --rate 10 --transport tcp --no-auth --pid 1 --json",
			func() bool { return cli.Fanout.Transport == "tcp" && cli.Fanout.Rate == 10 && cli.Fanout.PID == 1 }},
		{"rls --lists 2 --members 3", func() bool { return cli.RLS.Lists == 2 }},
		{"xcap --mix get=1;put=2 --duration 5s", func() bool { return cli.XCAP.Mix["put"] == 2 && cli.XCAP.Duration == 5*time.Second }},
		{"subscribe --count 5 --users-file " + t.TempDir(), nil},
		{"fanout --transport sctp", nil},
		{"flood", nil},
	} {
		_, err := k.Parse(strings.Fields(tt.args))
		if (err != nil) != (tt.check == nil) || err == nil && !tt.check() {
			t.Errorf("%s: %v", tt.args, err)
		}
	}
}
