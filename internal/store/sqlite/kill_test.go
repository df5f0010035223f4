package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/sqlite"
)

const victimFile = "ROLLCALL_TEST_VICTIM_FILE"

// TestVictim is the process that TestKill kills: it commits from many callers
// and names on standard output what has been acknowledged.
func TestVictim(t *testing.T) {
	path := os.Getenv(victimFile)
	if path == "" {
		t.Skip("runs as a child of TestKill")
	}
	s, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make(chan string)
	for c := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", c, i)
				// Two rows: both or none must be there afterwards.
				b := store.Batch{
					Bindings:      []store.Binding{{AOR: id, ID: id, Expires: time.Now().Add(time.Hour)}},
					Subscriptions: []store.Subscription{{ID: id, Expires: time.Now().Add(time.Hour)}},
				}
				if err := s.Commit(context.Background(), b); err != nil {
					return
				}
				acknowledged <- id
			}
		}()
	}
	for id := range acknowledged {
		fmt.Println(id)
	}
}

// kill -9 loses nothing that was acknowledged, and leaves no half batch.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if acknowledged = append(acknowledged, lines.Text()); len(acknowledged) == 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(acknowledged) < 500 {
		t.Fatalf("the child ended early: %v", acknowledged)
	}
	s := open(t, path, nil)
	defer s.Close()
	bindings, subscriptions := map[string]bool{}, map[string]bool{}
	_ = s.LoadBindings(context.Background(), time.Now(), func(b store.Binding) error { bindings[b.ID] = true; return nil })
	_ = s.LoadSubscriptions(context.Background(), time.Now(), func(v store.Subscription) error { subscriptions[v.ID] = true; return nil })
	for _, id := range acknowledged[:500] {
		if !bindings[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	for id := range bindings {
		if !subscriptions[id] {
			t.Errorf("half of batch %s is there", id)
		}
	}
	if len(bindings) != len(subscriptions) {
		t.Errorf("%d bindings and %d subscriptions", len(bindings), len(subscriptions))
	}
}
