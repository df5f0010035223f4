package config

import (
	"errors"
	"strings"
	"time"
)

// Presence says how the presence of a user is made of what is known.
type Presence struct {
	OnThePhone     bool          `name:"on-the-phone" env:"ROLLCALL_ON_THE_PHONE" default:"true" negatable:"" help:"Show in presence that a user is in a call, as published for the event package dialog."`
	PersonConflict string        `name:"person-conflict" env:"ROLLCALL_PERSON_CONFLICT" default:"newest" enum:"newest,restrictive" help:"Whose word counts when devices disagree about their user: the newest, or the one that wants to be left alone most."`
	SettleWindow   time.Duration `name:"settle-window" env:"ROLLCALL_SETTLE_WINDOW" default:"10s" help:"In which devices of one user may take the word from each other three times at once; 0s for no bound."`
	SimpleClients  []string      `name:"simple-clients" env:"ROLLCALL_SIMPLE_CLIENTS" default:"baresip,Purple/" placeholder:"TEXT" help:"Beginning of User-Agent of watchers that look at one tuple only: they get the gist of the document. Repeat for more; - for none."`
}

// maxSettle bounds how long watchers may be told what is not so any more.
const maxSettle = time.Minute

func (p *Presence) normalize() error {
	if p.SettleWindow < 0 || p.SettleWindow > maxSettle {
		return errors.New("settle-window: must lie between 0s and 1m")
	}
	if len(p.SimpleClients) == 1 && p.SimpleClients[0] == "-" {
		p.SimpleClients = nil
	}
	for _, c := range p.SimpleClients {
		if strings.TrimSpace(c) == "" {
			return errors.New("simple-clients: an empty text would be the beginning of all")
		}
	}
	return nil
}
