// Package linediff shows what changed between two texts as a unified diff. The
// shortest edit script is found by Myers' greedy algorithm over lines, as long
// as the texts are similar; else what lies between their common beginning and
// end is shown as replaced.
package linediff
