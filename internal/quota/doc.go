// Package quota counts what there is of something at a time, in all and by who has
// it, so that neither all together nor one of them have too much.
package quota
