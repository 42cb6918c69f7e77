package current_test

import (
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/internal/current"
)

// TestReplace: what was replaced is over when its last user is done, and not before.
func TestReplace(t *testing.T) {
	t.Parallel()
	var v current.Value[int]
	<-v.Replace(1)
	one, again := v.Use(), v.Use()
	idle := v.Replace(2)
	two := v.Use()
	if one.V != 1 || two.V != 2 || v.Look() != 2 {
		t.Errorf("%d, %d and %d", one.V, two.V, v.Look())
	}
	one.Done()
	select {
	case <-idle:
		t.Error("it is over while it is used")
	default:
	}
	again.Done()
	<-idle
	two.Done()
	<-v.Replace(3)
}

// TestNobodyUsesWhatIsOver while it is replaced again and again.
func TestNobodyUsesWhatIsOver(t *testing.T) {
	t.Parallel()
	type thing struct {
		mu   sync.RWMutex
		over bool
	}
	var v current.Value[*thing]
	v.Replace(&thing{})
	stop := make(chan struct{})
	var users, ends sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				h := v.Use()
				h.V.mu.RLock()
				if h.V.over {
					t.Error("it is used, and over")
				}
				h.V.mu.RUnlock()
				h.Done()
			}
		})
	}
	for range 2000 {
		before := v.Look()
		idle := v.Replace(&thing{})
		ends.Go(func() {
			<-idle
			before.mu.Lock()
			before.over = true
			before.mu.Unlock()
		})
	}
	close(stop)
	users.Wait()
	ends.Wait()
}
