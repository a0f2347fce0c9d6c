"""The statements of the file of kept answers; see :mod:`gateway.clients.answer_file`."""

from __future__ import annotations

VERSION = 1
# With VERSION as its last word.
SCHEMA = """
CREATE TABLE entries (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, family BLOB NOT NULL,
  tenant TEXT NOT NULL, alias TEXT NOT NULL, model TEXT NOT NULL, stored INTEGER NOT NULL, expires INTEGER NOT NULL,
  cost INTEGER NOT NULL, worth INTEGER NOT NULL, size INTEGER NOT NULL, hits INTEGER NOT NULL DEFAULT 0,
  priority REAL NOT NULL, vector BLOB NOT NULL, answer BLOB NOT NULL
);
CREATE INDEX by_expiry ON entries (expires);
CREATE INDEX by_priority ON entries (priority);
CREATE TABLE gone (at INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL);
CREATE TABLE leads (key BLOB PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE states (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sums (entries INTEGER NOT NULL, bytes INTEGER NOT NULL, evictions INTEGER NOT NULL, level REAL NOT NULL);
INSERT INTO sums VALUES (0, 0, 0, 0.0);
CREATE TRIGGER leaving AFTER DELETE ON entries BEGIN
  UPDATE sums SET entries = entries - 1, bytes = bytes - OLD.size;
  INSERT INTO gone (number) SELECT OLD.number WHERE OLD.vector <> x'';
END;
CREATE TRIGGER coming AFTER INSERT ON entries BEGIN
  UPDATE sums SET entries = entries + 1, bytes = bytes + NEW.size;
END;
PRAGMA user_version = 1;
"""
GET = "SELECT answer FROM entries WHERE key = ? AND expires > ?"
KEYS = "SELECT key FROM entries"
HAS = "SELECT 1 FROM entries WHERE key = ?"
SUMS = "SELECT entries, bytes, evictions, level FROM sums"
EXPIRED = "DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE expires <= ? LIMIT ?)"
REMOVE_KEY = "DELETE FROM entries WHERE key = ?"
REMOVE = "DELETE FROM entries WHERE number = ?"
# By value: what it saves for each byte, times how often it was asked for, above the level of what had to go before.
LEAST = "SELECT number, size, priority FROM entries ORDER BY priority LIMIT ?"
EVICTED = "UPDATE sums SET evictions = evictions + ?, level = max(level, ?)"
PUT = """
INSERT INTO entries (key, family, tenant, alias, model, stored, expires, cost, worth, size, priority, vector, answer)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT level FROM sums) + CAST(? AS REAL) / ?, ?, ?)
"""
HIT = """
UPDATE entries SET hits = hits + ?1,
  priority = (SELECT level FROM sums) + CAST(worth AS REAL) * (hits + ?1 + 1) / size WHERE key = ?2
"""
NEWER = """
SELECT number, family, vector FROM entries WHERE number > ? AND vector <> x'' ORDER BY number LIMIT ?
"""
SOME = """
SELECT number, family, vector FROM entries WHERE number IN (SELECT value FROM json_each(?)) AND vector <> x''
ORDER BY number
"""
NEWEST = "SELECT ifnull(max(number), 0) FROM entries"
LEFT = "SELECT at, number FROM gone WHERE at > ? ORDER BY at LIMIT ?"
GONE_RANGE = "SELECT ifnull(min(at), 0), ifnull(max(at), 0) FROM gone"
FORGET_GONE = "DELETE FROM gone WHERE at <= (SELECT max(at) FROM gone) - ?"
ALIVE = "SELECT number, family FROM entries WHERE vector <> x''"
ROW = "SELECT answer, vector FROM entries WHERE number = ? AND expires > ?"
BATCH = """
SELECT number, hits, size, vector <> x'', answer FROM entries WHERE number > ? AND expires > ? ORDER BY number LIMIT ?
"""
PARTS = """
SELECT tenant, alias, model, size, hits, cost, stored FROM entries WHERE expires > ?
"""
LEAD = """
INSERT INTO leads (key, token, until) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET token = ?2, until = ?3 WHERE until <= ?4
"""
LED = "SELECT 1 FROM leads WHERE key = ? AND until > ?"
RENEW = "UPDATE leads SET until = ? WHERE key = ? AND token = ?"
RELEASE = "DELETE FROM leads WHERE key = ? AND token = ?"
OVER = "DELETE FROM leads WHERE until <= ?"
STATE_GET = "SELECT data FROM states WHERE name = ?"
STATE_PUT = "INSERT INTO states VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET data = ?2"
