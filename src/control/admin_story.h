/* What became of one request, as JSON: for `ballast why`.
 */
#ifndef CONTROL_ADMIN_STORY_H
#define CONTROL_ADMIN_STORY_H

#include <jansson.h>

#include "proxy/recent.h"

/* The object "Story" of admin_object.def; now_ns: steady clock. NULL without memory. */
json_t *admin_story_json(const struct recent_record *record, int64_t now_ns);

#endif
