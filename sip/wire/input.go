package wire

import (
	"net"
	"sync"
)

// readSize is how much one read from a connection takes at most.
const readSize = 4 << 10

// input is the reading side of a connection.
type input interface {
	// read returns what has come, to be used until done.
	read() ([]byte, error)
	done()
}

// bufferedInput reads into a buffer of its own.
type bufferedInput struct {
	conn net.Conn
	buf  []byte
}

func (in *bufferedInput) read() ([]byte, error) {
	n, err := in.conn.Read(in.buf)
	return in.buf[:n], err
}

func (in *bufferedInput) done() {}

// inputOf returns what reads from a connection. A buffer that waits with each idle
// connection would be most of what that costs; where the system allows, connections
// share a few.
func inputOf(conn net.Conn, buffers *sync.Pool) input {
	if in := sharedInput(conn, buffers); in != nil {
		return in
	}
	return &bufferedInput{conn, make([]byte, readSize)}
}
