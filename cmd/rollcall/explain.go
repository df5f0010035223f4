package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/explain"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
)

const (
	explainTimeout = 10 * time.Second
	maxExplaining  = 4 // at a time, by one server
	maxExplanation = 16 << 20
)

type explainCmd struct {
	config.Place `embed:""`
	deciding     `embed:""`

	Watcher    string `arg:"" help:"Who wants to see: alice, alice@example.org, or anonymous."`
	Presentity string `arg:"" help:"Whom, or which list: bob, bob@example.org or alice+presence@example.org."`
	JSON       bool   `name:"json" help:"Print JSON instead of text."`
}

// Run asks the running server. Without one it says so, fails, and explains what can
// be told from the database.
func (c *explainCmd) Run(ctx context.Context, con console) error {
	if err := c.Place.Normalize(); err != nil {
		return usageError{err}
	}
	if err := c.deciding.Normalize(); err != nil {
		return usageError{err}
	}
	watcher, err := watcherAOR(&c.Place, c.Watcher)
	if err != nil {
		return err
	}
	presentity, err := userAOR(&c.Place, c.Presentity)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*explainTimeout)
	defer cancel()
	err = c.ask(ctx, con, watcher, presentity)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	fmt.Fprintf(con.stderr, "No server answers on %s: this is what the database tells.\n", c.AdminListen)
	found := false
	err = withStore(ctx, &c.Place, func(st store.Store) error {
		src := newStoredSource(st, &c.Place, &c.deciding)
		var e explanation
		e, found = explainAny(ctx, src, src.lists, watcher, presentity)
		return writeExplanation(con.stdout, e, !c.JSON)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return noSuchUser(presentity, store.ErrNotFound)
	}
	return fmt.Errorf("no running server could be asked on %s", c.AdminListen)
}

// ask has the running server explain.
func (c *explainCmd) ask(ctx context.Context, con console, watcher, presentity string) error {
	if watcher == "" {
		watcher = explain.Anonymous
	}
	query := url.Values{"watcher": {watcher}, "presentity": {presentity}}
	target, err := adminURL(c.AdminListen, "/admin/explain?"+query.Encode())
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	if !c.JSON {
		req.Header.Set("Accept", "text/plain")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxExplanation))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNotFound:
		if _, err := con.stdout.Write(body); err != nil {
			return err
		}
		if resp.StatusCode == http.StatusNotFound {
			return noSuchUser(presentity, store.ErrNotFound)
		}
		return nil
	}
	return fmt.Errorf("the server answers %s: %s", resp.Status, strings.TrimSpace(string(body[:min(len(body), 200)])))
}

// watcherAOR is userAOR for one who may be of another domain, or nobody.
func watcherAOR(place *config.Place, text string) (string, error) {
	if text == explain.Anonymous {
		return "", nil
	}
	if strings.Contains(text, "@") {
		if aor, err := sipuri.AOR(text); err == nil {
			return aor, nil
		}
	}
	return userAOR(place, text)
}

func writeExplanation(w io.Writer, e explanation, text bool) error {
	if text {
		return e.WriteText(w)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(e)
}

// explainHandler answers GET /admin/explain.
func (n *node) explainHandler() http.HandlerFunc {
	places := make(chan struct{}, maxExplaining)
	return func(w http.ResponseWriter, r *http.Request) {
		if !n.ready.Load() {
			answer(w, http.StatusServiceUnavailable, "starting or stopping")
			return
		}
		watcher, err := watcherAOR(&n.cfg.Place, r.FormValue("watcher"))
		if err != nil {
			answer(w, http.StatusBadRequest, "watcher: "+err.Error())
			return
		}
		presentity, err := userAOR(&n.cfg.Place, r.FormValue("presentity"))
		if err != nil {
			answer(w, http.StatusBadRequest, "presentity: "+err.Error())
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable, "too many explanations at a time")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), explainTimeout)
		defer cancel()
		e, found := explainAny(ctx, liveSource{n}, n.lists, watcher, presentity)
		text := strings.Contains(r.Header.Get("Accept"), "text/plain")
		kind := "application/json"
		if text {
			kind = "text/plain; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		_ = writeExplanation(w, e, text) // whoever asked is gone
	}
}
