package lan

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

const (
	// quiet is the white margin that a QR code needs to be found: ISO/IEC 18004, section 5.3.8.
	quiet = 4
	// paper is black on white in the colours of the 256 that no theme changes, so that dark terminals show the code as
	// light ones do.
	paper = "\x1b[38;5;16;48;5;231m"
	plain = "\x1b[0m"
)

// blocks are two modules, one above the other: the upper one's blackness, then the lower one's.
var blocks = map[[2]bool]rune{
	{false, false}: ' ', {true, false}: '▀', {false, true}: '▄', {true, true}: '█',
}

// QR draws the QR code of a text for a terminal, two modules a character.
func QR(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("make a QR code: %w", err)
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(paper)
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteRune(blocks[[2]bool{code.Black(x, y), code.Black(x, y+1)}]) // all outside is white
		}
		b.WriteString(plain + "\n")
	}
	return b.String(), nil
}
