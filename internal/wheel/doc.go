// Package wheel keeps many deadlines cheaply: a hashed timing wheel with one
// goroutine, on which a deadline is a small struct inside the thing it belongs
// to. Arming, moving and cancelling one costs a few pointer writes, so a
// hundred thousand subscriptions need neither a goroutine nor a runtime timer each.
package wheel
