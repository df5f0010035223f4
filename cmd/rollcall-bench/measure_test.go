package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHistogramBuckets(t *testing.T) {
	last := -1
	for _, us := range []uint64{0, 1, 63, 64, 65, 127, 128, 129, 1000, 65535, 1 << 20, 1 << 30, 1 << 38} {
		b := bucketOf(us)
		if b < last || b >= buckets {
			t.Errorf("%d is in bucket %d after %d", us, b, last)
		}
		last = b
		if up := upperBound(b); up < us || float64(up-us) > float64(us)/subBuckets+1 {
			t.Errorf("%d is in a bucket up to %d", us, up)
		}
	}
	if bucketOf(1<<63) != buckets-1 {
		t.Error("huge values belong in the last bucket")
	}
}

// The percentiles agree with those of the sorted values.
func TestPercentiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var h histogram
	values := make([]time.Duration, 5000)
	for i := range values {
		values[i] = time.Duration(rnd.ExpFloat64()*20000) * time.Microsecond
		h.add(values[i])
	}
	slices.Sort(values)
	for _, share := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		exact := values[max(int(share*float64(len(values)))-1, 0)]
		got := h.percentile(share)
		if diff := (got - exact).Abs(); diff > exact/subBuckets+2*time.Microsecond {
			t.Errorf("p%v: %v, sorted %v", share*100, got, exact)
		}
	}
	if h.percentile(1) != values[len(values)-1] {
		t.Errorf("maximum %v", h.percentile(1))
	}
	var empty histogram
	if empty.percentile(0.5) != 0 || empty.summary() != (latency{}) {
		t.Error("nothing measured is zero")
	}
	var one histogram
	one.add(-time.Second)
	if one.percentile(0.5) != 0 {
		t.Error("a clock that stepped back counts as zero")
	}
}

func TestProcess(t *testing.T) {
	cpu, err := parseStat("12 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0")
	if err != nil || cpu != 2*time.Second {
		t.Errorf("%v, %v", cpu, err)
	}
	rss, err := parseStatus("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n")
	if err != nil || rss != 2<<20 {
		t.Errorf("%d, %v", rss, err)
	}
	for _, bad := range []string{"", "12 (a) S 1 2", "12 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	if _, err := parseStatus("Name: x\n"); err == nil {
		t.Error("no VmRSS")
	}
}

func TestReport(t *testing.T) {
	r := &report{Scenario: "fanout", Checks: map[string]int64{faultLost: 0}, Phases: []phase{{Name: "NOTIFY", Operations: 2, Latency: map[string]latency{"a": {P50: 1}}}}}
	var b bytes.Buffer
	if err := r.print(output{&b}, false); err != nil {
		t.Errorf("a clean run: %v", err)
	}
	if text := b.String(); !strings.Contains(text, "1.00 ms") || !strings.Contains(text, faultLost+": 0") {
		t.Errorf("text:\n%s", text)
	}
	r.Checks[faultStale] = 3
	b.Reset()
	if err := r.print(output{&b}, true); !errors.Is(err, errFailed) || !strings.Contains(err.Error(), faultStale+": 3") {
		t.Errorf("a bad run: %v", err)
	}
	var back report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Checks[faultStale] != 3 {
		t.Errorf("JSON: %v\n%s", err, b.String())
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, tt := range []struct {
		addr string
		ok   bool
	}{
		{"127.0.0.1:5060", true}, {"localhost:5060", true}, {"[::1]:5060", true}, {"127.9.9.9:1", true},
		{"192.0.2.1:5060", false}, {"0.0.0.0:5060", false}, {"example.com:5060", false}, {"127.0.0.1", false}, {"[::]:5060", false},
	} {
		if _, err := loopback(tt.addr); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.addr, err)
		}
	}
	good := options{Target: "127.0.0.1:5060", XCAP: "http://127.0.0.1:8080/x", Concurrency: 1, Sockets: 1, Timeout: time.Second}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, xcap := range []string{"http://192.0.2.1/x", "https://127.0.0.1/x", "http://example.com:80/x", "x"} {
		bad := good
		bad.XCAP = xcap
		if bad.check() == nil {
			t.Errorf("%s accepted", xcap)
		}
	}
}

func TestAccounts(t *testing.T) {
	var b bytes.Buffer
	if err := (&usersCommand{N: 2, Domain: "d", UserPrefix: "u", Password: "p,w"}).Run(output{&b}); err != nil {
		t.Fatal(err)
	}
	list, err := readAccounts(&b, 2)
	if err != nil || len(list) != 2 || list[1] != (account{"sip:u1@d", "u1", "p,w"}) {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := readAccounts(strings.NewReader("# who\n\nbob@x,1\nmore@x,2\n"), 1); err != nil || list[0].aor != "sip:bob@x" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, bad := range []string{"", "bob@x", "bob,1"} {
		if _, err := readAccounts(strings.NewReader(bad), 1); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// RFC 7616 §3.9.1: the example, with both algorithms.
func TestDigest(t *testing.T) {
	header := func(algorithm string) string {
		return `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + algorithm +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	}
	for _, tt := range []struct{ algorithm, response string }{
		{"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
		{"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	} {
		c := newCredentials(account{user: "Mufasa", password: "Circle of Life"})
		c.cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
		if c.authorization("GET", "/dir/index.html") != "" {
			t.Error("nothing to send before a challenge")
		}
		if err := c.accept([]string{"Basic realm=x", `Digest algorithm=SHA-512-256, nonce="n"`, header(tt.algorithm)}); err != nil {
			t.Fatal(err)
		}
		value := c.authorization("GET", "/dir/index.html")
		if p := parseParams(strings.TrimPrefix(value, "Digest ")); p["response"] != tt.response || p["nc"] != "00000001" {
			t.Errorf("%s: %s", tt.algorithm, value)
		}
		if p := parseParams(strings.TrimPrefix(c.authorization("GET", "/"), "Digest ")); p["nc"] != "00000002" {
			t.Errorf("the nonce is used again with %s", p["nc"])
		}
	}
	c := newCredentials(account{})
	if err := c.accept([]string{"Basic realm=x"}); !errors.Is(err, errNoChallenge) {
		t.Error(err)
	}
	if p := parseParams(`a="x\"y,z" , b=c,d`); p["a"] != `x"y,z` || p["b"] != "c" {
		t.Errorf("%v", p)
	}
}

func TestSchedule(t *testing.T) {
	c := xcapCommand{Operations: 1, Entries: 1, Mix: map[string]int{"get": 2, "put": 1}}
	s, err := c.schedule()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s)
	if !slices.Equal(s, []string{"get", "get", "put"}) {
		t.Errorf("%v", s)
	}
	for _, mix := range []map[string]int{{}, {"get": 0}, {"post": 1}, {"get": -1}} {
		c.Mix = mix
		if _, err := c.schedule(); err == nil {
			t.Errorf("%v accepted", mix)
		}
	}
}
