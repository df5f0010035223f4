package quota

import "testing"

func TestQuota(t *testing.T) {
	q := New[string](4, 2)
	for i, step := range []struct {
		give   bool
		holder string
		want   bool
	}{
		{holder: "amy", want: true}, {holder: "amy", want: true}, {holder: "amy"},
		{holder: "bo", want: true}, {holder: "", want: true}, {holder: ""}, {holder: "cy"}, // all are taken
		{give: true, holder: ""}, {holder: "amy"}, {holder: "cy", want: true},
		{give: true, holder: "amy"}, {holder: "amy", want: true},
		{give: true, holder: "bo"}, {holder: "", want: true}, {holder: "bo"},
	} {
		if step.give {
			q.Give(step.holder)
		} else if got := q.Take(step.holder); got != step.want {
			t.Errorf("step %d, %q: %t", i, step.holder, got)
		}
	}
	for _, holder := range []string{"amy", "amy", "cy", ""} {
		q.Give(holder)
	}
	if total, holders := q.Taken(); total != 0 || holders != 0 {
		t.Errorf("%d of %d holders are left", total, holders)
	}
}
