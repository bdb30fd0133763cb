// Package lan is what it takes to let the phones in the same room try Beckon: the addresses at which they reach this
// machine, a certificate for them, because browsers give no camera to a page without HTTPS, and a QR code, because nobody
// likes to type.
package lan
