/* Entries in the journal's own protocol (systemd: "Native Journal Protocol"): fields, one a line. Pure.
 */
#ifndef BASE_JOURNAL_TEXT_H
#define BASE_JOURNAL_TEXT_H

#include "base/entry.h"

/* Writes PRIORITY, SYSLOG_IDENTIFIER, BALLAST_KIND, each fact as BALLAST_NAME, and MESSAGE into out, and returns their
 * length, at most room. The text is cut where it does not fit; facts are left out whole. room: at least
 * JOURNAL_TEXT_MIN; app and kind are words. */
enum { JOURNAL_TEXT_MIN = 1024 };
size_t journal_text(char *out, size_t room, const char *app, const char *kind, const struct entry *entry);

#endif
