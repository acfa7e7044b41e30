/* The dashboard: built files that are part of the program (dashboard/dist, by tools/embed.py).
 */
#ifndef CONTROL_ADMIN_PAGE_H
#define CONTROL_ADMIN_PAGE_H

#include <stddef.h>

struct admin_file {
    const char *name;
    const char *etag; /* with its quotes */
    const unsigned char *bytes;
    size_t n; /* of the gzipped bytes */
};

extern const struct admin_file admin_files[];
extern const size_t admin_file_count;

#endif
