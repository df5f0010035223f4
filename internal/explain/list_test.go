package explain

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
)

// The text is for people, the JSON for programs, whose names stay.
func TestList(t *testing.T) {
	const document = "rls-services/users/" + alice + "/index"
	for name, list := range map[string]List{
		"a list": {
			Watcher: alice, List: "sip:friends@example.org", Live: true, Owner: alice, Document: document, Defined: true, Name: "Friends",
			Packages: []string{"presence", "dialog"}, Event: "presence",
			Members: []ListMember{
				{URI: bob, Name: "Bob \x1b[2J", State: "active"}, {URI: "sip:carol@example.org", State: "pending"},
				{URI: "sip:gone@example.org", State: "terminated", Reason: "noresource"}, {URI: "sip:work@example.org", List: true},
				{URI: "sip:ed@elsewhere.test", Foreign: true},
			},
			Unresolved: []Unresolved{
				{"resource-lists/users/" + alice + "/index/~~/resource-lists/list%5b1%5d", "refers back to a list that contains it"},
				{"tel:1", "has scheme tel, which cannot be subscribed to"},
			},
		},
		"a list of somebody else": {
			Watcher: bob, List: "sip:friends@example.org", Live: true, Owner: alice, Document: document, Defined: true, Refused: true,
			Event: "presence", Problem: "belongs to another user",
		},
		"a list that is empty": {Watcher: alice, List: "sip:alice+presence@example.org", Live: true, Owner: alice, Document: document, Packages: []string{"presence"}, Event: "presence"},
		"a list as stored":     {Watcher: alice, List: "sip:friends@example.org", Owner: alice, Document: document, Defined: true, Members: []ListMember{{URI: bob}}},
	} {
		t.Run(name, func(t *testing.T) {
			list.At = noon
			var got bytes.Buffer
			if err := list.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			enc := json.NewEncoder(&got)
			enc.SetIndent("", "  ")
			if err := enc.Encode(list); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".txt"), got.Bytes())
		})
	}
}
