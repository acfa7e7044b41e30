/* Another configuration in place of the one in use, while traffic goes on.
 *
 * The keeper loads it (control/link); here it is made ready for every thread, which may fail and changes nothing then;
 * new workers that a pool depends on are asked how they are; and it is published, which cannot fail. Exchanges that
 * began finish by the rules that they began under. Afterwards it is watched: where too many requests fail, the
 * configuration before comes back.
 *
 * Control thread only.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "balance/probe.h"
#include "control/admin.h"
#include "control/changes_memory.h"
#include "control/config_slot.h"
#include "control/link.h"
#include "control/overlay.h"
#include "control/reload_history.h"
#include "control/snapshot.h"

/* What it works on; outlives it. */
struct reload_options {
    struct io *io;
    int link;                        /* to the keeper */
    const struct config_slot *slots; /* CONFIG_SLOTS of them */
    const struct config *config;     /* in use: the file's */
    struct overlay *overlay;         /* over it, taken over: what the first snapshot was made of */
    struct changes_memory *memory;   /* where its changes outlive this process; NULL: nowhere */
    struct roster *roster;
    struct snapshot **newest;
    struct prober *prober;
    struct reactor *const *reactors;
    uint32_t reactor_count;
    const struct account *const *accounts;
    struct account *inherited;      /* what servers before have counted */
    struct metric_sources *sources; /* its snapshot moves on */
    struct sink *access_sink;
    struct admin *const *admin; /* NULL there: none */
    /* Before a snapshot is published, and once it is in use. */
    void (*prepare)(void *context, struct snapshot *snapshot);
    void (*applied)(void *context, const struct config *config);
    void *context;
};

struct reload;

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int reload_create(const struct reload_options *options, struct reload **ret_reload);
/* No reactor runs any more. NULL is harmless. */
void reload_destroy(struct reload **reload);
/* For reactors that go by a snapshot: their hold on it ends. */
void reload_rules_released(void *snapshot);
/* The loop was woken: a reactor may have said something. */
void reload_look(struct reload *reload);
/* The keeper has said something. False: it is none of this. */
bool reload_hear(struct reload *reload, const struct link_message *message);
/* Asks the keeper; expected: the id of the plan that is wanted, "" for any. 0 with the number of its entry, or
 * -ERR_FULL while another one is under way, or a code: there is no keeper to ask. */
MUST_CHECK int reload_ask(struct reload *reload, enum link_purpose purpose, const char *expected, const char *cause,
                          uint32_t *ret_number);

/* What was changed at run time, beside the file. An entry that changes nothing but a mode or a weight may be put,
 * altered or dropped by the caller, who carries it out and has them noted; the others come and go by
 * reload_change. */
struct changes *reload_changes(struct reload *reload);
/* They are others now: the metrics page tells how many, and the memory has them. */
void reload_note_changes(struct reload *reload);
/* Is nothing under way? */
bool reload_is_idle(const struct reload *reload);
/* Has these in place of them, by the steps of a reload but without its file. Nothing is under way. Takes them over,
 * also on failure. 0: they are in use by this thread (sources->snapshot has them), and done is called when every
 * reactor goes by them. Else nothing has changed: -ERR_CONFIG, they do not fit together, and why says so; or another
 * code. */
MUST_CHECK int reload_change(struct reload *reload, struct changes *changes, void (*done)(void *context), void *context,
                             char why[OVERLAY_WHY_MAX]);
/* Before reactors run: what the server before had at its end, which may be newer than what the first snapshot was made
 * of. Those that are to be kept, or all. Takes them over, also on failure. 0, or a code and nothing has changed. */
MUST_CHECK int reload_adopt(struct reload *reload, struct changes *changes, bool all);
/* Whether a word of the keeper can be heard now: such a change does not wait for it, so it waits. */
bool reload_listens(const struct reload *reload);

/* The newest number, 0: there was none yet; and one entry, NULL: it is not there any more, or never was. */
uint32_t reload_newest(const struct reload *reload);
const struct reload_entry *reload_entry(const struct reload *reload, uint32_t number);
/* What has become of them; before reactors run, it may be filled with those of the server before. */
struct reload_history *reload_past(struct reload *reload);

#endif
