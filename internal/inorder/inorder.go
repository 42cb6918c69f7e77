// Package inorder does many things at once and hands on what they give in the
// order in which they were begun.
package inorder

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Do calls read for each item, up to width at once, and write with each result,
// one after the other, in the order of the items. The first error ends it.
func Do[F, T any](ctx context.Context, width int, each func(context.Context, func(F) error) error, read func(context.Context, F) (T, error), write func(T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	coming := make(chan chan T, max(width-1, 0)) // and one that is waited for
	group.Go(func() error {
		defer close(coming)
		return each(ctx, func(item F) error {
			result := make(chan T, 1)
			select {
			case coming <- result:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				r, err := read(ctx, item)
				if err == nil {
					result <- r
				}
				return err
			})
			return nil
		})
	})
	group.Go(func() error {
		for result := range coming {
			select {
			case r := <-result:
				if err := write(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}
