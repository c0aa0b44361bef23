package dealer

// Groups returns how many shard groups and lines of keys the dealer keeps, and
// how many slots wait for their old owner.
func (d *Dealer) Groups() (groups, lines, handovers int) {
	for _, g := range d.groups {
		lines += len(g.lines)
	}
	return len(d.groups), lines, d.handovers.Len()
}
