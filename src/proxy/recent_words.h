/* A record of proxy/recent in plain words: a line for each thing that happened, with its time.
 */
#ifndef PROXY_RECENT_WORDS_H
#define PROXY_RECENT_WORDS_H

#include "proxy/recent.h"

enum { RECENT_WORDS_MAX = 4096 };

/* Writes lines into out, which has room for RECENT_WORDS_MAX; what would not fit is left out. Returns the text. Bytes
 * that came from a client are escaped. */
struct str recent_words(const struct recent_record *record, char *out);

#endif
