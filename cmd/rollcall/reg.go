package main

import "rollcall/sip/reg"

// contacts gives the package reg what the registrar knows of an address.
func (n *node) contacts(aor string) []reg.Contact {
	known := n.registrar.Registrations(aor)
	out := make([]reg.Contact, len(known))
	for i, k := range known {
		out[i] = reg.Contact(k)
	}
	return out
}
