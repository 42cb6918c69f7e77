package connection

import (
	"context"
	"time"
)

// cleanUpTime bounds what a failed write still does once its caller is gone.
const cleanUpTime = 2 * time.Second

// ToCleanUp is the context to take back what a failed write left, whatever
// became of its caller.
func ToCleanUp(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
}
