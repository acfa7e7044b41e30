/* Request targets and hosts: what forms are legal and what they name. RFC 9112 section 3.2, RFC 3986 section 3.2.2.
 * Pure; bytes are never rewritten.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "http/msg.h"

/* Takes a request target apart by its form:
 *   origin    /path?query  target and path set, authority empty
 *   absolute  http://host/path?query (scheme http or https, any case): target is the part from the path on ("/" if
 *             there is none; "*" for OPTIONS without path and query), authority the host
 *   asterisk  * only with OPTIONS
 * Refused: authority form, fragments, bytes outside visible ASCII, userinfo, an empty host.
 * 0, or -ERR_REQUEST_TARGET with the msg untouched. "/?q" for an absolute form with a query and no path needs one byte
 * that was not received: it is refused. */
MUST_CHECK int target_parse(enum msg_method method, struct str target, struct msg *ret_msg);
/* uri-host [":" port] as Host allows: a name of unreserved and sub-delims bytes or percent-escapes, an IPv4 address, or
 * an IPv6 literal in brackets; not empty; port up to 65535 or empty. */
bool target_host_valid(struct str host);
/* The host without its port, brackets kept. */
struct str target_host_name(struct str host);

#endif
