package wire

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Errors of sending on a flow.
var (
	// ErrFlowClosed: the connection is gone, or no flow was given.
	ErrFlowClosed = errors.New("flow closed")
	// ErrFlowFull: the peer does not read; what waits for it has reached its bound.
	ErrFlowFull = errors.New("flow full")
)

// Flow is the way back to a peer: one UDP address seen from one listener, or one
// connection. A later connection from the same address is another flow.
type Flow struct {
	transport     string
	local, remote netip.AddrPort
	id            uint64
	out           sender
	verified      atomic.Pointer[[]string]
}

// sender is what carries the bytes of a flow. send does not keep b.
type sender interface {
	send(b []byte, to netip.AddrPort) error
	alive() bool
	onClose(fn func()) (cancel func())
	ref(f *Flow) string
}

// NewFlow makes a flow that sends through a function, which must not keep its argument.
func NewFlow(transport string, local, remote netip.AddrPort, send func([]byte) error) *Flow {
	return &Flow{transport: transport, local: local, remote: remote, out: funcSender(send)}
}

// Transport returns "UDP", "TCP", "TLS", "WS" or "WSS".
func (f *Flow) Transport() string { return f.transport }

// Local returns our address.
func (f *Flow) Local() netip.AddrPort { return f.local }

// Remote returns the peer's address.
func (f *Flow) Remote() netip.AddrPort { return f.remote }

// Reliable reports whether the transport retransmits by itself.
func (f *Flow) Reliable() bool { return f.transport != "UDP" }

// framed reports whether the length of a message comes from its header: WebSocket
// delimits messages by itself (RFC 7118 §5.2), as datagrams do.
func (f *Flow) framed() bool { return f.transport == "TCP" || f.transport == "TLS" }

// Secure reports whether the flow is encrypted.
func (f *Flow) Secure() bool { return f.transport == "TLS" || f.transport == "WSS" }

// Verified returns the domains and "sip:" URIs for which the peer showed a
// certificate that our authorities signed (RFC 5922 §7.1); none without.
func (f *Flow) Verified() []string {
	if v := f.verified.Load(); v != nil {
		return *v
	}
	return nil
}

// ID is unique per connection in this process and 0 for UDP.
func (f *Flow) ID() uint64 { return f.id }

// Alive reports whether the flow can still be sent on; UDP always can.
func (f *Flow) Alive() bool { return f.out.alive() }

// Send sends b without blocking and without keeping it.
func (f *Flow) Send(b []byte) error { return f.out.send(b, f.remote) }

// Space leaves gap between messages on a connection, for a peer that handles one
// message each time it reads and leaves what came with it until the next time. It
// does nothing on UDP.
func (f *Flow) Space(gap time.Duration) {
	if c, ok := f.out.(interface{ space(time.Duration) }); ok {
		c.space(gap)
	}
}

// OnClose has fn called once when the connection is gone, at once if it is. It
// must be quick. cancel withdraws it. UDP flows never close.
func (f *Flow) OnClose(fn func()) (cancel func()) { return f.out.onClose(fn) }

// Ref is the durable text form of the flow, for Endpoint.Flow.
func (f *Flow) Ref() string { return f.out.ref(f) }

func addressRef(f *Flow) string {
	return strings.ToLower(f.transport) + " " + f.local.String() + " " + f.remote.String()
}

func connectionRef(f *Flow, nonce uint64) string {
	return addressRef(f) + " " + strconv.FormatUint(nonce, 16) + "-" + strconv.FormatUint(f.id, 16)
}

// parseRef reads what Ref wrote; connection is empty for UDP.
func parseRef(ref string) (transport string, local, remote netip.AddrPort, connection string, ok bool) {
	fields := strings.Split(ref, " ")
	if len(fields) < 3 || len(fields) > 4 {
		return
	}
	local, err1 := netip.ParseAddrPort(fields[1])
	remote, err2 := netip.ParseAddrPort(fields[2])
	if err1 != nil || err2 != nil {
		return
	}
	if len(fields) == 4 {
		connection = fields[3]
	}
	return fields[0], local, remote, connection, true
}

// Gone returns a flow that is closed, for a reference that means nothing any more;
// nil when ref is none.
func Gone(ref string) *Flow {
	transport, local, remote, _, ok := parseRef(ref)
	if !ok {
		return nil
	}
	return &Flow{transport: strings.ToUpper(transport), local: local, remote: remote, out: goneSender(ref)}
}

type goneSender string

func (goneSender) send([]byte, netip.AddrPort) error { return ErrFlowClosed }
func (goneSender) alive() bool                       { return false }
func (goneSender) onClose(fn func()) func()          { fn(); return func() {} }
func (s goneSender) ref(*Flow) string                { return string(s) }

type funcSender func([]byte) error

func (s funcSender) send(b []byte, _ netip.AddrPort) error { return s(b) }
func (funcSender) alive() bool                             { return true }
func (funcSender) onClose(func()) func()                   { return func() {} }
func (funcSender) ref(f *Flow) string                      { return addressRef(f) }
