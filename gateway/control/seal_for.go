package control

import (
	"time"

	"github.com/vaultferry/vaultferry/gateway"
)

type (
	sealForArgs struct {
		refArgs
		Key    string         `json:"key"` // wrapped
		Known  string         `json:"known,omitempty"`
		OnLoss gateway.OnLoss `json:"on_loss,omitempty"`
	}
	sealedAnswer struct {
		Document string     `json:"document"`
		Blob     []byte     `json:"blob,omitempty"`
		Read     time.Time  `json:"read"`
		Versions int        `json:"versions"`
		Empty    bool       `json:"empty,omitempty"`
		Losses   []wireLoss `json:"losses,omitempty"`
	}
)

func sealedToWire(s *gateway.Sealed) *sealedAnswer {
	if s == nil {
		return nil
	}
	return &sealedAnswer{s.Document, s.Blob, s.Read, s.Versions, s.Empty, lossesToWire(s.Losses)}
}

func (w *sealedAnswer) sealed() *gateway.Sealed {
	if w == nil {
		return nil
	}
	return &gateway.Sealed{Document: w.Document, Blob: w.Blob, Read: w.Read, Versions: w.Versions, Empty: w.Empty, Losses: lossesFromWire(w.Losses)}
}
