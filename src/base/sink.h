/* A file, a syslog server or the journal, which lines go to, by a thread of its own: a full disk, a blocked pipe or a
 * dead server never stops traffic.
 *
 * Whoever has lines hands over whole batches; when the writer is too far behind, a batch is refused and counted
 * instead of waiting. USR1 reopens the path (sink_reopen), so that logs can be rotated by renaming.
 */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/syslog_text.h"

struct sink;

/* Where to. */
enum sink_kind { SINK_FILE, SINK_SYSLOG, SINK_JOURNAL };
struct sink_target {
    enum sink_kind kind;
    const char *path;                /* of a file, as sink_create has it */
    struct sockaddr_storage address; /* of all others */
    socklen_t address_bytes;
    bool stream;                  /* it is connected to, instead of sent datagrams */
    struct syslog_text_head head; /* the journal takes of it `app` and `kind` */
};

/* As sink_create. Nothing but a file is opened before a line is there. */
MUST_CHECK int sink_create_to(const struct sink_target *target, struct sink **ret_sink);
/* Lines must be entries (base/entry.h). */
bool sink_takes_entries(const struct sink *sink);

/* path: a file (created 0640, appended to) or "-" for standard output. 0 with *ret_sink, or a negative code; nothing
 * is left open then. */
MUST_CHECK int sink_create(const char *path, struct sink **ret_sink);
/* Writes what was handed over (waiting at most 2 s for a blocked reader), stops the thread, frees, nulls. */
void sink_destroy(struct sink **sink);
/* Before _exit, while others may still write: writes what was handed over (at most 2 s), and frees nothing. */
void sink_finish(struct sink *sink);
/* Any thread. Copies bytes[0..n), which are whole lines. 0, or -ERR_FULL: over 4 MiB wait, the batch is dropped
 * (`lines` of them are added to the dropped count). */
int sink_write(struct sink *sink, const char *bytes, size_t n, uint32_t lines);
/* Any thread: the writer opens the path again before the next batch; if that fails it goes on with the old file. */
void sink_reopen(struct sink *sink);
/* Any thread, after sink_reopen: 0, a negative code when the path could not be opened, or SINK_REOPENING. */
enum { SINK_REOPENING = 1 };
int sink_reopen_result(const struct sink *sink);
/* Lines lost so far: refused batches, and those the system would not write (no space on the device). */
uint64_t sink_dropped(const struct sink *sink);

#endif
