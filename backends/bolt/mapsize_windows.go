package bolt

// mapSize leaves it to bbolt: Windows makes a file as large as its map.
const mapSize = 0
