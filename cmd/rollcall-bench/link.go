package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// receiveBuffer is asked of the kernel for every UDP socket: a burst of
// NOTIFYs must fit while the reader is busy.
const receiveBuffer = 16 << 20

// link is one UDP socket or TCP connection to the server. Many simulated users
// share it; their dialogs are told apart by Call-ID.
type link struct {
	transport string // "UDP", "TCP"
	conn      net.Conn
	local     string
	write     sync.Mutex
}

func dial(ctx context.Context, o *options) (*link, error) {
	addr, err := loopback(o.Target)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, o.Transport, addr.String())
	if err != nil {
		return nil, err
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		if err := growReceiveBuffer(udp, receiveBuffer); err != nil {
			conn.Close()
			return nil, fmt.Errorf("receive buffer: %w", err)
		}
	}
	return &link{transport: strings.ToUpper(o.Transport), conn: conn, local: conn.LocalAddr().String()}, nil
}

func (l *link) reliable() bool { return l.transport == "TCP" }

func (l *link) send(data []byte) error {
	l.write.Lock()
	defer l.write.Unlock()
	_, err := l.conn.Write(data)
	return err
}

// read hands every message to handle until the link is closed.
func (l *link) read(handle func(*link, *message, time.Time), malformed func(error)) error {
	if l.reliable() {
		r := bufio.NewReaderSize(l.conn, 64<<10)
		for {
			m, err := readMessage(r)
			if err != nil {
				return closedIsNil(err)
			}
			handle(l, m, time.Now())
		}
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			// A connected UDP socket reports that nobody listens, once per datagram.
			malformed(err)
			time.Sleep(time.Millisecond)
			continue
		}
		now := time.Now()
		m, err := parseMessage(append([]byte(nil), buf[:n]...))
		if err != nil {
			if n > 4 {
				malformed(err)
			}
			continue
		}
		handle(l, m, now)
	}
}

func closedIsNil(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("connection to the server: %w", err)
}
