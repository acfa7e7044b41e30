/* A configuration as a file has it, with what was changed at run time laid over it.
 *
 * It is a configuration like any other: made into a snapshot, compared, and put into use by a reload's own steps.
 * Control thread: nothing here reads a file or looks up a name.
 */
#ifndef CONTROL_OVERLAY_H
#define CONTROL_OVERLAY_H

#include "balance/probe.h"
#include "control/changes.h"
#include "control/config.h"

enum { OVERLAY_WHY_MAX = 400 };

struct overlay {
    const struct config *config; /* both together; the file's own where nothing was changed */
    struct changes changes;
    struct config *made; /* its own memory, for what is not the file's; NULL: none */
};

/* What becomes of a change when another file is read. */
enum change_fate { CHANGE_GOES_ON, CHANGE_ENDS, CHANGE_DROPPED };

struct change_end {
    enum change_fate fate;
    char why[OVERLAY_WHY_MAX]; /* empty where it goes on */
};

/* Zero is nothing. */
struct carried {
    struct changes changes;
    struct change_end *ends; /* of each, once overlay_carry has said so */
};

/* Takes the changes over (empty there afterwards), also on failure. 0; -ERR_CONFIG with a sentence in why: they do not
 * fit together; -ERR_NO_MEMORY. Texts of the file's configuration are borrowed. */
MUST_CHECK int overlay_make(const struct config *file, struct changes *changes, struct overlay *ret_overlay,
                            char why[OVERLAY_WHY_MAX]);
/* The file is another one: those of carried->changes that are to be kept (with `all`, the others too) and still mean
 * something go on; carried->ends says of each what becomes of it. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int overlay_carry(const struct config *file, struct carried *carried, bool all, struct overlay *ret_overlay);
void carried_fini(struct carried *carried);
void overlay_fini(struct overlay *overlay);
/* Events for those that do not go on. */
void carried_log(const struct carried *carried);
/* Each of these workers gets the mode that the list says: ready, if it says nothing. */
void overlay_set_modes(const struct changes *changes, struct worker *const *workers, uint32_t count,
                       struct prober *prober);

struct overlay_setting {
    const char *key, *text;
};
/* A worker with these settings, judged in the configuration's words; texts are in the arena. 0, -ERR_CONFIG with a
 * sentence in why, or -ERR_NO_MEMORY. */
MUST_CHECK int overlay_worker(const struct overlay_setting *settings, size_t count, struct arena *arena,
                              struct config_worker *ret_worker, char why[OVERLAY_WHY_MAX]);

#endif
