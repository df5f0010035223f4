package pidf

import (
	"strings"
	"testing"

	"rollcall/internal/xmlscan"
)

func TestEffective(t *testing.T) {
	const (
		shut  = `<tuple id="a"><status><basic>closed</basic></status><contact>sip:a@b</contact><note>shut</note></tuple>`
		low   = `<tuple id="b"><status><basic>open</basic></status><contact priority="0.2">sip:low@b</contact></tuple>`
		high  = `<tuple id="c"><status><basic>open</basic></status><contact priority="0.8">sip:high@b</contact><note>at &lt;home></note></tuple>`
		plain = `<tuple id="d"><status/></tuple>`
	)
	for _, tt := range []struct {
		name, in    string
		has, hasNot []string
	}{
		{"open anywhere is open", shut + low, []string{">open<", "sip:low@b"}, []string{"shut", "person"}},
		{"the best of several", low + shut + high, []string{"sip:high@b", "<note>at &lt;home&gt;</note>"}, []string{"low"}},
		{"closed", shut, []string{">closed<", "sip:a@b", "<note>shut</note>"}, nil},
		{"neither", plain, []string{">closed<", "<contact>" + alice}, nil},
		{"nothing", "", []string{">closed<", "<contact>" + alice}, nil},
		{"the person's note before others", high + person(`<dm:note>lunch</dm:note>`) + "<note>x</note>", []string{"<note>lunch</note>"}, []string{"home", ">x<", "person"}},
		{"the document's before the tuple's", high + "<note>x</note>", []string{"<note>x</note>"}, []string{"home"}},
		{"activities in the prefix that clients look for", low + person(`<a:activities xmlns:a="`+RPID+`"><a:working/><a:busy/><a:made-up/></a:activities>`), []string{"<rpid:activities><rpid:busy/><rpid:working/></rpid:activities>"}, []string{"made-up"}},
		{"words for activities", low + person(`<rpid:activities><rpid:other>Do not disturb</rpid:other></rpid:activities>`), []string{"<rpid:busy/>"}, nil},
		{"a word for none", low + person(`<rpid:activities><rpid:other>available</rpid:other></rpid:activities>`), nil, []string{"person"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := Effective([]byte(presence(tt.in)), "t1")
			d, err := Parse(body, xmlscan.DefaultLimits())
			if err != nil || len(d.Tuples) != 1 || d.Tuples[0].ID != "t1" || d.Entity != alice {
				t.Fatalf("%v\n%s", err, body)
			}
			for _, s := range tt.has {
				if !strings.Contains(string(body), s) {
					t.Errorf("no %s in\n%s", s, body)
				}
			}
			for _, s := range tt.hasNot {
				if strings.Contains(string(body), s) {
					t.Errorf("there is %s in\n%s", s, body)
				}
			}
		})
	}
	if got := Effective([]byte("no document"), "t"); string(got) != "no document" {
		t.Errorf("%s", got)
	}
	if offline := Offline(alice, "t1"); string(Effective(offline, "t1")) != string(offline) {
		t.Error("who is offline looks different")
	}
}
