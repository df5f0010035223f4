package wire

import (
	"net/netip"
	"sync"
)

// NewConnection makes a flow like NewFlow that is reliable and ends with hangUp:
// for tests and for what terminates connections elsewhere. id tells it from
// others between the same addresses.
func NewConnection(id uint64, transport string, local, remote netip.AddrPort, send func([]byte) error) (f *Flow, hangUp func()) {
	c := &connection{write: send}
	return &Flow{transport: transport, local: local, remote: remote, id: id, out: c}, c.hangUp
}

type connection struct {
	write func([]byte) error

	mu     sync.Mutex
	closed bool
	hooks  []*func()
}

func (c *connection) send(b []byte, _ netip.AddrPort) error {
	if !c.alive() {
		return ErrFlowClosed
	}
	return c.write(b)
}

func (c *connection) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed
}

func (c *connection) onClose(fn func()) (cancel func()) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		fn()
		return func() {}
	}
	defer c.mu.Unlock()
	hook := &fn
	c.hooks = append(c.hooks, hook)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		*hook = func() {}
	}
}

func (c *connection) ref(f *Flow) string { return connectionRef(f, 0) }

func (c *connection) hangUp() {
	c.mu.Lock()
	var hooks []func()
	for _, hook := range c.hooks {
		hooks = append(hooks, *hook)
	}
	c.closed, c.hooks = true, nil
	c.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}
