package wire

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	maxQueue     = 1 << 20          // bytes waiting for one connection
	writeTimeout = 10 * time.Second // a peer that does not read is dropped
	dialTimeout  = 5 * time.Second
	messageTime  = 30 * time.Second // for a message to arrive completely
	openTimeout  = 10 * time.Second // for the headers and handshakes before messages
	greetTimeout = time.Minute      // for the first message, which who connects has to say
)

// carrier writes to the network what was queued for a connection.
type carrier interface {
	// write sends b, which holds messages that end at ends; a stream is not told.
	write(b []byte, ends []int) error
	Close() error
}

// stream is the carrier of TCP and TLS.
type stream struct{ net.Conn }

func (s stream) write(b []byte, _ []int) error {
	if err := s.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.Write(b)
	return err
}

// tcpConn is one connection. Its reader handles messages inline and in order; a
// writer runs only while something is queued, so an idle connection costs one
// goroutine.
type tcpConn struct {
	e       *Endpoint
	flow    *Flow
	refText string
	frames  framer // the reader's
	dialed  bool   // by us
	target  dialKey

	mu      sync.Mutex
	conn    carrier // nil until the handshake is over
	queue   []byte
	ends    []int // of the messages in queue, where the carrier wants to know or gap is set
	gap     time.Duration
	writing bool
	closed  bool
	drained chan struct{} // closed when the queue is empty, for drain
	hooks   map[uint64]func()
	hookID  uint64
}

func (c *tcpConn) ref(*Flow) string { return c.refText }

func (c *tcpConn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed
}

func (c *tcpConn) send(b []byte, _ netip.AddrPort) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrFlowClosed
	}
	if len(c.queue) > 0 && len(c.queue)+len(b) > maxQueue {
		return ErrFlowFull
	}
	c.queue = append(c.queue, b...)
	if !c.flow.framed() || c.gap > 0 {
		c.ends = append(c.ends, len(c.queue))
	}
	c.startWriter()
	return nil
}

func (c *tcpConn) space(gap time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gap == 0 && len(c.queue) > 0 && len(c.ends) == 0 {
		c.ends = append(c.ends, len(c.queue))
	}
	c.gap = gap
}

// take is called with the lock held and returns what to write next: all that is
// queued, or one message where messages are spaced. spare is room to queue in.
func (c *tcpConn) take(spare []byte) (b []byte, ends []int) {
	if c.gap == 0 || len(c.ends) < 2 {
		b, ends = c.queue, c.ends
		c.queue, c.ends = spare[:0], nil
		return b, ends
	}
	n := c.ends[0]
	b = append(spare[:0], c.queue[:n]...)
	c.queue = c.queue[:copy(c.queue, c.queue[n:])]
	for i, end := range c.ends[1:] {
		c.ends[i] = end - n
	}
	c.ends = c.ends[:len(c.ends)-1]
	return b, []int{n}
}

// startWriter is called with the lock held.
func (c *tcpConn) startWriter() {
	if !c.writing && c.conn != nil && len(c.queue) > 0 {
		c.writing = true
		c.e.wg.Go(c.write)
	}
}

// write empties the queue. What is queued together goes out together, unless the
// peer wants its messages spaced.
func (c *tcpConn) write() {
	var spare []byte
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.closed {
			c.writing = false
			if c.drained != nil {
				close(c.drained)
				c.drained = nil
			}
			c.mu.Unlock()
			return
		}
		b, ends := c.take(spare)
		conn, gap := c.conn, c.gap
		c.mu.Unlock()
		if err := conn.write(b, ends); err != nil {
			c.close()
		}
		if gap > 0 {
			time.Sleep(gap)
		}
		if spare = b; cap(b) > 64<<10 {
			spare = nil
		}
	}
}

// drain waits until the queue is written or ctx ends, then closes.
func (c *tcpConn) drain(ctx context.Context) {
	c.mu.Lock()
	var wait chan struct{}
	if c.writing && !c.closed {
		wait = make(chan struct{})
		c.drained = wait
	}
	c.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	c.close()
}

func (c *tcpConn) onClose(fn func()) (cancel func()) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		fn()
		return func() {}
	}
	defer c.mu.Unlock()
	if c.hooks == nil {
		c.hooks = make(map[uint64]func())
	}
	c.hookID++
	id := c.hookID
	c.hooks[id] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.hooks, id)
	}
}

// close ends the connection and tells who asked to know. It runs its effects once.
func (c *tcpConn) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	hooks, conn := c.hooks, c.conn
	c.hooks, c.queue, c.ends = nil, nil, nil
	c.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	c.e.unregister(c)
	for _, fn := range hooks {
		fn()
	}
}

func (c *tcpConn) dial() {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(c.e.ctx, "tcp", c.flow.remote.String())
	if err != nil {
		slog.Debug("connection not opened", "peer", c.flow.remote, "error", err)
		c.close()
		return
	}
	if c.flow.transport == "TLS" {
		c.dialTLS(conn)
		return
	}
	if c.opened(stream{conn}) {
		c.serve(conn)
	}
}

// opened gives c its carrier, and the carrier what was queued meanwhile.
func (c *tcpConn) opened(conn carrier) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return false
	}
	c.conn = conn
	c.startWriter()
	return true
}

// patience is how long a new connection may be silent.
func (c *tcpConn) patience() time.Duration {
	if c.dialed {
		return c.e.cfg.IdleTimeout
	}
	return min(c.e.cfg.IdleTimeout, greetTimeout)
}

// serve reads until the connection ends.
func (c *tcpConn) serve(conn net.Conn) {
	defer c.close()
	in := inputOf(conn, &c.e.buffers)
	deadline := time.Now().Add(c.patience())
	for {
		if conn.SetReadDeadline(deadline) != nil {
			return
		}
		b, err := in.read()
		if len(b) > 0 {
			fresh := !c.frames.partial()
			c.frames.feed(b)
			in.done()
			complete, ok := c.drainFrames()
			if !ok {
				return
			}
			switch {
			case !c.frames.partial():
				c.frames.idle()
				deadline = time.Now().Add(c.e.cfg.IdleTimeout)
			case fresh || complete:
				// The time for a message runs from its first byte, however it trickles in.
				deadline = time.Now().Add(messageTime)
			}
		}
		if err != nil {
			return
		}
	}
}

// drainFrames handles the messages that are complete and reports whether there
// were any. ok is false when the connection must be closed.
func (c *tcpConn) drainFrames() (complete, ok bool) {
	for {
		f, more, err := c.frames.next()
		switch {
		case err != nil:
			c.e.malformed(c.flow, err)
			return complete, false
		case !more:
			return complete, true
		case f.ping:
			// RFC 5626 §4.4.1: answered at once. A full queue means the peer does not read.
			if err := c.flow.Send([]byte("\r\n")); errors.Is(err, ErrFlowClosed) {
				return complete, false
			}
		case f.fatal:
			c.refuse(f)
			return complete, false
		default:
			c.e.receive(f.message, c.flow)
		}
		complete = true
	}
}

// refuse answers a message that cannot be framed and lets the answer out before
// the connection closes.
func (c *tcpConn) refuse(f frame) {
	if f.tooLarge {
		c.e.refuse(f.message, c.flow, Response{Status: 413})
	} else {
		c.e.receive(f.message, c.flow)
	}
	ctx, cancel := context.WithTimeout(c.e.ctx, time.Second)
	defer cancel()
	c.drain(ctx)
}
