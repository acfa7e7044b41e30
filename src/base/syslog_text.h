/* Entries as syslog messages (RFC 5424). Pure.
 */
#ifndef BASE_SYSLOG_TEXT_H
#define BASE_SYSLOG_TEXT_H

#include "base/entry.h"

/* What all messages have in common. Texts are visible ASCII. */
struct syslog_text_head {
    unsigned facility; /* 0 to 23 */
    const char *host;
    const char *app;
    const char *kind;    /* MSGID */
    uint32_t process;    /* PROCID */
    uint32_t enterprise; /* facts go as structured data of ballast@NUMBER; 0: they do not go */
};

/* Writes a message into out and returns its length, at most room. Its text is cut where it does not fit; facts are left
 * out whole. room: at least SYSLOG_TEXT_MIN. */
enum { SYSLOG_TEXT_MIN = 1024 };
size_t syslog_text(char *out, size_t room, const struct syslog_text_head *head, const struct entry *entry);

#endif
