package main

import (
	"cmp"
	"context"
	"io"
	"time"

	"rollcall/internal/explain"
	"rollcall/rls"
)

// explanation is an explain.Report or an explain.List.
type explanation interface {
	WriteText(w io.Writer) error
}

// explainAny tells what watcher sees of a user, or of a list if it is one; false:
// there is no such user.
func explainAny(ctx context.Context, src explain.Source, lists *rls.Service, watcher, resource string) (explanation, bool) {
	in, ok, err := lists.Inspect(ctx, resource, watcher)
	if ok && err == nil {
		return explainedList(&in, src.Live(), watcher, resource), true
	}
	// With the store down, the report says so.
	report := explain.Explain(ctx, src, watcher, resource, time.Now())
	if err != nil {
		report.Problems = append(report.Problems, "whether it is a list: "+err.Error())
	}
	return report, report.Account || len(report.Problems) > 0
}

func explainedList(in *rls.Inspection, live bool, watcher, resource string) *explain.List {
	l := &explain.List{
		Watcher: cmp.Or(watcher, explain.Anonymous), List: resource, At: time.Now(), Live: live,
		Owner: in.Owner, Document: in.Document.AUID + "/users/" + in.Document.XUI + "/" + in.Document.Path, Defined: in.Defined,
		Name: in.DisplayName, Packages: in.Packages, Event: in.Event, Problem: in.Problem,
		// Whom the operator lets use it, only the server knows.
		Refused: live && !in.MayUse,
		Members: make([]explain.ListMember, 0, len(in.Members)), Unresolved: make([]explain.Unresolved, 0, len(in.Unresolved)),
	}
	for _, m := range in.Members {
		l.Members = append(l.Members, explain.ListMember{
			URI: m.URI, Name: m.DisplayName, Foreign: m.Foreign, List: m.List, State: m.State, Reason: m.Reason,
		})
	}
	for _, e := range in.Unresolved {
		l.Unresolved = append(l.Unresolved, explain.Unresolved{Entry: e.URI, Reason: e.Problem})
	}
	return l
}
