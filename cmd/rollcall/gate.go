package main

import (
	"sync"

	"rollcall/sip/wire"
)

// gate holds requests back, on the goroutines that read them, until the state of
// an earlier run is there.
type gate struct {
	open    chan struct{}
	once    sync.Once
	handler wire.Handler
}

// ServeSIP implements wire.Handler.
func (g *gate) ServeSIP(req *wire.Request) {
	<-g.open
	g.handler.ServeSIP(req)
}

func (g *gate) lift() { g.once.Do(func() { close(g.open) }) }
