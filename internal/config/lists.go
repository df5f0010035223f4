package config

import (
	"errors"
	"fmt"
	"time"

	"rollcall/internal/remotelist"
)

// Lists says whose lists may be used besides the own ones.
type Lists struct {
	PublicLists       []string      `name:"public-lists" env:"ROLLCALL_PUBLIC_LISTS" placeholder:"LIST" help:"List service that everybody may subscribe to, also without a name; its members decide what there is to see. Repeat for more."`
	RemoteLists       []string      `name:"remote-lists" env:"ROLLCALL_REMOTE_LISTS" placeholder:"URL" help:"Beginning of the URLs of lists on other servers that lists and rules may refer to, e.g. https://xcap.example.net/xcap-root/; repeat for more. Without it there are none."`
	RemoteListRefresh time.Duration `name:"remote-list-refresh" env:"ROLLCALL_REMOTE_LIST_REFRESH" default:"10m" help:"How often such a list is asked for again when its server says nothing about that."`
}

func (l *Lists) normalize(domain string) (err error) {
	if l.PublicLists, err = users("public-lists", l.PublicLists, domain); err != nil {
		return err
	}
	if _, err := l.RemotePrefixes(); err != nil {
		return err
	}
	if l.RemoteListRefresh < time.Minute || l.RemoteListRefresh > 24*time.Hour {
		return errors.New("remote-list-refresh: must lie between 1m and 24h")
	}
	return nil
}

// RemotePrefixes returns the beginnings of URLs that lists may be read from.
func (l *Lists) RemotePrefixes() ([]remotelist.Prefix, error) {
	var all []remotelist.Prefix
	for _, text := range l.RemoteLists {
		p, err := remotelist.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("remote-lists: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}
