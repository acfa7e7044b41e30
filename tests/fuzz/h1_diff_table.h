/* The accepted differences between Ballast and http_parser: what may differ, and only where the input shows why.
 */
#ifndef H1_DIFF_TABLE_H
#define H1_DIFF_TABLE_H

#include "h1_diff_their.h"
#include "http/h1_parse.h"

enum diff_side {
    DIFF_WE_REFUSE,   /* code: ERR_x; they accept, or see the head end elsewhere */
    DIFF_THEY_REFUSE, /* code: HPE_x; we accept */
    DIFF_KEEP_ALIVE,  /* both accept and disagree on whether the connection goes on */
    DIFF_BODY_WE_REFUSE,
    DIFF_BODY_THEY_REFUSE
};

/* One input, as both have seen it. */
struct diff_case {
    struct str input; /* what either has looked at */
    struct str line;  /* the request line without its end */
    struct str body;  /* what stands behind the head */
    const struct their_request *their;
    const struct h1_head *our; /* NULL: refused */
};

/* The table has a row for this side and code whose condition the input fulfils. */
bool diff_is_accepted(enum diff_side side, int code, const struct diff_case *seen);

#endif
