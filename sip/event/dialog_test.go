package event

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// RFC 6665 §4.2.1.4 and RFC 3261 §12.2.2: requests inside the dialog.
func TestInDialogRefusals(t *testing.T) {
	tests := []struct {
		name   string
		sub    sub
		status int
	}{
		{"CSeq lower, RFC 3261 §12.2.2", sub{cseq: 9}, 500},
		{"CSeq equal", sub{cseq: 10}, 500},
		{"other Call-ID", sub{cseq: 11, callID: "other"}, 481},
		{"other From tag", sub{cseq: 11, fromTag: "other"}, 481},
		{"somebody else", sub{cseq: 11, who: "sip:eve@example.test"}, 403},
		{"other event id: no dialog sharing, RFC 6665 §4.5.2", sub{cseq: 11, event: "presence;id=2"}, 403},
		{"unknown event", sub{cseq: 11, event: "foo"}, 489},
		{"too brief", sub{cseq: 11, expires: "10"}, 423},
		{"nothing acceptable", sub{cseq: 11, extra: "Accept: text/html\r\n"}, 406},
		{"bad Contact", sub{cseq: 11, contact: "*"}, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				test.sub.toTag = r.establish(sub{cseq: 10})
				before := r.rows()[0]
				r.subscribe(test.sub)
				if log := r.take(); len(log) != 1 || log[0].status() != test.status {
					t.Fatalf("got %s, want %d", describe(log), test.status)
				}
				if after := r.rows()[0]; after.RemoteCSeq != before.RemoteCSeq || !after.Expires.Equal(before.Expires) {
					t.Error("a refused refresh changed the subscription")
				}
				r.set(text("still there"))
				r.notify()
			})
		})
	}
}

// A refresh always gets its NOTIFY, with complete state, and moves the target.
func TestRefresh(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.establish(sub{})
		time.Sleep(300 * time.Second)
		flow := r.flow("TCP", remote)
		r.subscribe(sub{toTag: tag, expires: "900", contact: "<sip:new@192.0.2.77:5070>", flow: flow})
		log := r.take()
		if len(log) != 2 || log[0].status() != 200 || log[0].header("Expires") != "900" {
			t.Fatalf("got %s", describe(log))
		}
		if log[1].out.RequestURI != "sip:new@192.0.2.77:5070" || log[1].out.Flow != flow {
			t.Errorf("NOTIFY to %s: no target refresh", log[1].out.RequestURI)
		}
		if got := log[1].header("Subscription-State"); got != "active;expires=900" {
			t.Errorf("Subscription-State %q", got)
		}
		if !r.pkg.fulls[len(r.pkg.fulls)-1] {
			t.Error("a SUBSCRIBE asks for complete state")
		}
		time.Sleep(899 * time.Second)
		r.nothing()
		time.Sleep(2 * time.Second)
		if got := r.notify().header("Subscription-State"); got != "terminated;reason=timeout" {
			t.Errorf("after the expiry: %q", got)
		}
	})
}

// When a refresh is refused, or cannot be stored, all is as before.
func TestRefreshFails(t *testing.T) {
	tests := []struct {
		name          string
		again, failed error
		status        int
	}{
		{"package", &Refusal{Status: 403}, nil, 403},
		{"store", nil, store.ErrUnavailable, 503},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				tag := r.establish(sub{})
				s := r.pkg.opened[0]
				expires, target := s.Expires, s.dialog.target
				r.pkg.again = test.again
				r.store.Fail(test.failed)
				time.Sleep(time.Second)
				r.subscribe(sub{toTag: tag, contact: "<sip:new@192.0.2.77>", expires: "1200"})
				if log := r.take(); len(log) != 1 || log[0].status() != test.status {
					t.Fatalf("got %s", describe(log))
				}
				if !s.Expires.Equal(expires) || s.dialog.target != target {
					t.Error("the refused refresh left traces")
				}
				r.store.Fail(nil)
				r.pkg.again = nil
				time.Sleep(601 * time.Second)
				if got := r.notify().header("Subscription-State"); got != "terminated;reason=timeout" {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// RFC 6665 §4.2.1.4: the end at the watcher's wish.
func TestUnsubscribe(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.establish(sub{})
		r.subscribe(sub{toTag: tag, expires: "0"})
		log := r.take()
		if len(log) != 2 || log[0].status() != 200 || log[0].header("Expires") != "0" ||
			log[1].header("Subscription-State") != "terminated;reason=timeout" || string(log[1].out.Body) != "none" {
			t.Fatalf("got %s", describe(log))
		}
		if len(r.rows()) != 0 || len(r.pkg.ended) != 1 || r.pkg.ended[0] != "timeout" {
			t.Errorf("rows %v, ended %v", r.rows(), r.pkg.ended)
		}
		r.subscribe(sub{toTag: tag})
		if log := r.take(); len(log) != 1 || log[0].status() != 481 {
			t.Fatalf("after the end: %s", describe(log))
		}
		time.Sleep(time.Hour)
		r.nothing()
	})
}

// The final NOTIFY waits for the one in flight.
func TestUnsubscribeWhileInFlight(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.sender.auto = 0
		flow := r.flow("TCP", remote)
		r.subscribe(sub{flow: flow})
		log := r.take()
		first := log[1]
		r.subscribe(sub{toTag: log[0].toTag(), expires: "0", flow: flow})
		if log := r.take(); len(log) != 1 || log[0].status() != 200 {
			t.Fatalf("got %s", describe(log))
		}
		first.done(wire.Result{Status: 200})
		if m := r.notify(); m.out.CSeq != first.out.CSeq+1 || m.header("Subscription-State") != "terminated;reason=timeout" {
			t.Fatalf("got %s", describe([]message{m}))
		}
	})
}

// RFC 3261 §12.2.1.1: the strict router gets its own URI as Request-URI.
func TestStrictRouting(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.subscribe(sub{contact: "<sip:bob@192.0.2.77>", extra: "Record-Route: <sip:old.example.test>, <sip:p2.example.test;lr>\r\n"})
		m := r.take()[1]
		if m.out.RequestURI != "sip:old.example.test" || m.header("Route") != "<sip:p2.example.test;lr>, <sip:bob@192.0.2.77>" {
			t.Errorf("Request-URI %s, Route %q", m.out.RequestURI, m.header("Route"))
		}
	})
}

// Where NOTIFY goes over UDP.
func TestOutboundUDP(t *testing.T) {
	tests := []struct{ name, contact, route, want string }{
		{"Contact at the source address: its port", "<sip:b@192.0.2.9:5071>", "", "192.0.2.9:5071"},
		{"without port", "<sip:b@192.0.2.9>", "", "192.0.2.9:5060"},
		{"behind a NAT: back to the source", "<sip:b@10.0.0.5:5060>", "", "192.0.2.9:4444"},
		{"a name: back to the source", "<sip:b@pc.example.test>", "", "192.0.2.9:4444"},
		{"Contact wants TCP: back to the source", "<sip:b@192.0.2.9:5071;transport=tcp>", "", "192.0.2.9:4444"},
		{"first hop", "<sip:b@10.0.0.5>", "<sip:198.51.100.3:5080;lr>", "198.51.100.3:5080"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				s := sub{contact: test.contact, flow: r.flow("UDP", remote)}
				if test.route != "" {
					s.extra = "Record-Route: " + test.route + "\r\n"
				}
				r.subscribe(s)
				if got := r.take()[1].out.Flow.Remote().String(); got != test.want {
					t.Errorf("NOTIFY to %s, want %s", got, test.want)
				}
			})
		})
	}
}

// What an old flow still owes does not hold up the NOTIFY of a refresh that came
// over a new one.
func TestRefreshOverNewFlow(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.sender.auto = 0
		r.subscribe(sub{})
		log := r.take()
		old := log[1]
		moved := r.flow("TCP", local)
		r.subscribe(sub{toTag: log[0].toTag(), flow: moved})
		log = r.take()
		if len(log) != 2 || log[1].out.Flow != moved || log[1].out.CSeq <= old.out.CSeq {
			t.Fatalf("got %s", describe(log))
		}
		old.done(wire.Result{Err: wire.ErrTimeout})
		log[1].done(wire.Result{Status: 200})
		r.set(text("alive"))
		if got := string(r.notify().out.Body); got != "alive" {
			t.Errorf("body %q", got)
		}
	})
}

// RFC 6665 §4.2.2: what each answer to NOTIFY does.
func TestNotifyResults(t *testing.T) {
	type result struct {
		res  wire.Result
		over bool
	}
	var tests []result
	for _, status := range []int{404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604} {
		tests = append(tests, result{wire.Result{Status: status}, true})
	}
	for _, status := range []int{200, 202, 400, 401, 407, 408, 486, 500, 503, 600} {
		tests = append(tests, result{wire.Result{Status: status}, false})
	}
	tests = append(tests,
		result{wire.Result{Err: wire.ErrTimeout}, true},
		result{wire.Result{Err: wire.ErrFlowClosed}, false},
		result{wire.Result{Err: wire.ErrFlowFull}, false},
		result{wire.Result{Err: errors.New("no route")}, false})
	for _, test := range tests {
		t.Run(fmt.Sprint(test.res.Status, test.res.Err), func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				r.sender.auto = 0
				r.subscribe(sub{})
				log := r.take()
				log[1].done(test.res)
				if left := len(r.rows()) == 0; left != test.over {
					t.Errorf("row gone: %v, want %v", left, test.over)
				}
				if ended := len(r.pkg.ended) == 1; ended != test.over {
					t.Errorf("ended %v", r.pkg.ended)
				}
				r.nothing()
			})
		})
	}
}

// After a failure the newest state is sent, complete: at the next change, or by
// itself after a while.
func TestRepair(t *testing.T) {
	t.Run("by news", func(t *testing.T) {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			r.establish(sub{})
			r.sender.auto = 0
			r.set(text("lost"))
			r.notify().done(wire.Result{Status: 500})
			r.nothing()
			r.set(text("found"))
			m := r.notify()
			if string(m.out.Body) != "found" || !r.pkg.fulls[len(r.pkg.fulls)-1] {
				t.Errorf("got %s, full %v", describe([]message{m}), r.pkg.fulls)
			}
		})
	})
	t.Run("by time", func(t *testing.T) {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			r.establish(sub{})
			r.sender.auto = 0
			r.set(text("lost"))
			r.notify().done(wire.Result{Status: 500})
			time.Sleep(firstRetry + time.Second)
			if got := string(r.notify().out.Body); got != "lost" {
				t.Errorf("body %q", got)
			}
		})
	})
	t.Run("Retry-After is honoured", func(t *testing.T) {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			r.establish(sub{})
			r.sender.auto = 0
			r.set(text("lost"))
			r.notify().done(wire.Result{Status: 503, RetryAfter: 60 * time.Second})
			r.set(text("found"))
			time.Sleep(59 * time.Second)
			r.nothing()
			time.Sleep(2 * time.Second)
			if got := string(r.notify().out.Body); got != "found" {
				t.Errorf("body %q", got)
			}
		})
	})
	t.Run("a closed connection waits for the refresh", func(t *testing.T) {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			tag := r.establish(sub{})
			r.sender.auto = 0
			r.set(text("lost"))
			r.notify().done(wire.Result{Err: wire.ErrFlowClosed})
			r.set(text("also lost"))
			time.Sleep(5 * time.Minute)
			r.nothing()
			r.subscribe(sub{toTag: tag})
			if log := r.take(); len(log) != 2 || string(log[1].out.Body) != "also lost" {
				t.Fatalf("got %s", describe(log))
			}
		})
	})
}

// RFC 4662 §4.1: what the package wants in every 2xx and NOTIFY.
func TestHeaded(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.pkg.headers = []wire.Header{{Name: "Require", Value: "eventlist"}}
		r.pkg.set(amy, View{State: Pending, Tag: "p"})
		tag := r.establish(sub{callID: "first"})
		r.set(text("body"))
		log := r.take()
		r.subscribe(sub{callID: "first", toTag: tag, expires: "0"})
		log = append(log, r.take()...)
		if len(log) != 3 {
			t.Fatalf("got %s", describe(log))
		}
		for _, m := range log {
			if m.header("Require") != "eventlist" {
				t.Errorf("no Require in %s", describe([]message{m}))
			}
		}
	})
}
