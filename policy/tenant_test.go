package policy

import (
	"strings"
	"testing"

	"rollcall/internal/store"
)

const stranger = "sip:eve@elsewhere.test"

// What the operator decides, with the RFCs' defaults where nothing is decided.
func TestTenant(t *testing.T) {
	colleagues := DefaultTenant() // colleagues in, strangers ask
	colleagues.NoDocument = [Groups]Handling{Allow, Confirm, Block}
	colleagues.NoRule[SameDomain] = Confirm
	strict := DefaultTenant()
	strict.Floor[SameDomain], strict.Ceiling[OtherDomains] = Allow, Confirm
	home := domainOf(alice)
	tests := []struct {
		name    string
		tenants Tenants
		rules   string // "" is no document
		watcher string
		want    Handling
		by      string
	}{
		{"RFC 3857 §4.7.1: no policy", nil, "", bo, Confirm, ""},
		{"RFC 4745 §10: nothing applies", nil, rulesetOf(), bo, Block, ""},
		{"the defaults are no decision", Tenants{"": new(DefaultTenant())}, "", bo, Confirm, ""},
		{"no document, colleague", Tenants{"": &colleagues}, "", bo, Allow, "no-document"},
		{"no document, stranger", Tenants{"": &colleagues}, "", stranger, Confirm, ""},
		{"no document, anonymous", Tenants{"": &colleagues}, "", "", Block, "no-document"},
		{"of this domain only", Tenants{home: &colleagues}, "", bo, Allow, "no-document"},
		{"of another domain only", Tenants{"other.test": &colleagues}, "", bo, Confirm, ""},
		{"no rule, colleague", Tenants{"": &colleagues}, rulesetOf(), bo, Confirm, "no-rule"},
		{"a rule decides, not the operator", Tenants{"": &colleagues}, rulesetOf(ruleOf(one(bo), "block", "")), bo, Block, ""},
		{"floor above a block", Tenants{"": &strict}, rulesetOf(ruleOf(one(bo), "block", "")), bo, Allow, "floor"},
		{"floor without rules", Tenants{"": &strict}, "", bo, Allow, "floor"},
		{"ceiling below an allow", Tenants{"": &strict}, rulesetOf(ruleOf(one(stranger), "allow", "")), stranger, Confirm, "ceiling"},
		{"ceiling that changes nothing", Tenants{"": &strict}, rulesetOf(ruleOf(one(stranger), "block", "")), stranger, Block, ""},
		{"the owner", Tenants{"": &Tenant{}}, rulesetOf(), alice, Allow, ""},
		{"rules that cannot be read", Tenants{"": &strict}, "<damaged", bo, Confirm, "floor"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &documents{bodies: map[store.DocumentKey]string{}}
			if tt.rules != "" {
				d.bodies[ietfKey("index")] = tt.rules
			}
			e := engine(d, Options{Tenants: tt.tenants})
			req := Request{Presentity: alice, Watcher: tt.watcher, Now: noon}
			got, err := e.Decide(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if got.Handling != tt.want || got.Operator != tt.by || (got.Transform != nil) != (got.Handling == Allow) {
				t.Errorf("%v by %q, want %v by %q", got.Handling, got.Operator, tt.want, tt.by)
			}
			report, err := e.Report(t.Context(), req)
			if err != nil || report.Handling != tt.want.String() || report.Stale {
				t.Errorf("reported as %s, stale %v, %v", report.Handling, report.Stale, err)
			}
			if said := strings.Contains(strings.Join(report.Combination, " "), "The operator of the server"); said != (tt.by != "") {
				t.Errorf("the report says %q", report.Combination)
			}
		})
	}
}

// An operator's block is one for MESSAGE, too, which goes by the reasons.
func TestOperatorReason(t *testing.T) {
	closed := DefaultTenant()
	closed.Ceiling[OtherDomains] = Block
	e := engine(&documents{}, Options{Tenants: Tenants{"": &closed}})
	d, err := e.Explain(t.Context(), Request{Presentity: alice, Watcher: stranger, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Reasons) != 1 || !d.Reasons[0].Counted || !d.Reasons[0].Operator || d.Reasons[0].Handling != Block {
		t.Errorf("%+v", d.Reasons)
	}
}
