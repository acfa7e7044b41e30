/* Asks a running balancer's administration API, for `ballast status` and its like: a question, and a whole answer.
 */
#ifndef MAIN_ADMIN_CLIENT_H
#define MAIN_ADMIN_CLIENT_H

#include <jansson.h>

#include "io/sock.h"

enum { ADMIN_WHY_MAX = 256, ADMIN_DEFAULT_WAIT_MS = 5000 };

struct admin_client {
    struct sock_addr addr;
    char where[SOCK_TEXT_MAX]; /* the address in words */
    char token[257];           /* empty: none */
};

/* Finds the API: `where` (unix:/path or host:port; NULL: not given), else $BALLAST_ADMIN, else the `admin` block of the
 * configuration at config_path (NULL: none), else the default path. Token: $BALLAST_ADMIN_TOKEN, else the file's. 0, or
 * -ERR_CONFIG with a sentence in why[0..ADMIN_WHY_MAX). */
MUST_CHECK int admin_client_find(struct admin_client *client, const char *where, const char *config_path,
                                 char why[ADMIN_WHY_MAX]);
/* One request, waited for. body NULL: none. 0 with the answer's JSON (the caller's reference) if its status was below
 * 400, else a code with a sentence in why: -ERR_FULL where it is busy and may be asked again. */
MUST_CHECK int admin_client_ask(const struct admin_client *client, const char *method, const char *target, json_t *body,
                                json_t **ret_answer, char why[ADMIN_WHY_MAX]);
/* text for a query: everything but letters, digits and -._~ as %XX, with a NUL; false when out[0..room) is too small.
 */
bool admin_client_escape(struct str text, char *out, size_t room);

#endif
