package wire

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"rollcall/internal/wheel"
)

const (
	subprotocol  = "sip"            // RFC 7118 §4
	pingInterval = 60 * time.Second // keeps proxies between from closing and finds dead peers
	pongTimeout  = 20 * time.Second
)

// WebSocket returns the handler that takes SIP over WebSocket, RFC 7118. The
// connections it makes are flows like all others.
func (e *Endpoint) WebSocket() http.Handler { return http.HandlerFunc(e.upgrade) }

func (e *Endpoint) upgrade(w http.ResponseWriter, r *http.Request) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if err != nil || local == nil {
		http.Error(w, "no address", http.StatusInternalServerError)
		return
	}
	transport := "WS"
	if r.TLS != nil {
		transport = "WSS"
	}
	c := e.newConn(transport, addrPort(local), unmap(remote))
	// RFC 7118 §4.1: who does not speak SIP is turned away in HTTP.
	if !offers(r, subprotocol) {
		http.Error(w, "the subprotocol sip is needed", http.StatusBadRequest)
		return
	}
	if !e.register(c) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{subprotocol},
		OriginPatterns: e.cfg.Origins,
	})
	if err != nil {
		slog.Debug("WebSocket refused", "peer", c.flow.remote, "error", err)
		e.unregister(c)
		return
	}
	conn.SetReadLimit(int64(e.cfg.MaxMessage))
	ws := &wsCarrier{conn: conn}
	if !e.spawn(func() { c.serveWebSocket(ws) }) {
		_ = conn.CloseNow()
		e.unregister(c)
	}
}

func offers(r *http.Request, protocol string) bool {
	var offered []string
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		offered = splitList(offered, v)
	}
	for _, p := range offered {
		if sameName(p, protocol) {
			return true
		}
	}
	return false
}

// wsCarrier writes each message as one WebSocket message.
type wsCarrier struct {
	conn *websocket.Conn
	ping wheel.Timer
}

func (w *wsCarrier) write(b []byte, ends []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	from := 0
	for _, to := range ends {
		kind := websocket.MessageText
		if !utf8.Valid(b[from:to]) {
			kind = websocket.MessageBinary // RFC 7118 §5.2
		}
		if err := w.conn.Write(ctx, kind, b[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// Close does not wait for the peer's close frame: the flow is gone in any case.
func (w *wsCarrier) Close() error { return w.conn.CloseNow() }

// serveWebSocket reads until the connection ends.
func (c *tcpConn) serveWebSocket(ws *wsCarrier) {
	defer c.close()
	defer c.e.cfg.Wheel.Cancel(&ws.ping)
	if !c.opened(ws) {
		return
	}
	c.schedulePing(ws)
	for patience := c.patience(); ; patience = c.e.cfg.IdleTimeout {
		message, err := c.readWebSocket(ws.conn, patience)
		if err != nil {
			slog.Debug("WebSocket ended", "peer", c.flow.remote, "error", err)
			return
		}
		switch {
		case string(message) == "\r\n\r\n":
			_ = c.flow.Send([]byte("\r\n")) // RFC 5626 §4.4.1; a full queue loses it
		case keepAlive(message):
		default:
			c.e.receive(message, c.flow)
		}
	}
}

// readWebSocket waits for a message for so long, and then for the rest of it as
// long as a message may take.
func (c *tcpConn) readWebSocket(conn *websocket.Conn, patience time.Duration) ([]byte, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	deadline := time.AfterFunc(patience, cancel)
	defer deadline.Stop()
	_, r, err := conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	deadline.Reset(messageTime)
	return io.ReadAll(r)
}

// schedulePing asks for a pong now and then; a peer that gives none is gone.
func (c *tcpConn) schedulePing(ws *wsCarrier) {
	c.e.cfg.Wheel.Set(&ws.ping, time.Now().Add(pingInterval), func() {
		c.e.spawn(func() {
			ctx, cancel := context.WithTimeout(context.Background(), pongTimeout)
			defer cancel()
			if err := ws.conn.Ping(ctx); err != nil {
				c.close()
				return
			}
			if c.alive() {
				c.schedulePing(ws)
			}
		})
	})
}
