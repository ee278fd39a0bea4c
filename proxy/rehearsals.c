/*
 * rehearsals.c: see rehearsals.h. The processes share what is to be done and what came of it: one
 * takes a few hellos at a time. They use no database and write no file; one that dies leaves its
 * share undone.
 */
#include "proxy/rehearsals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/text.h"

#define SLOTS_FIRST 4096
#define PENDING UINT32_MAX          /* expected, not rehearsed */
#define JOBS_MIN 500                /* fewer are not worth a process */
#define BYTES_MAX ((size_t)1 << 28) /* of hellos, held at a time */
#define AT_ONCE 16                  /* jobs that a process takes */
#define CREWS_MAX 32                /* processes */
#define DIFFERENT_MAX 4096          /* results that a process can tell apart */

/* What is kept of one rehearsal. */
struct slot {
    uint64_t hello;   /* 0: free */
    uint32_t context; /* number */
    uint32_t
        rehearsal; /* which of the different ones, from 1; 0: the hello is not known; PENDING */
};

/* All rehearsals by hello and context (open addressing), and the different things they came to. */
struct rehearsals {
    struct ledger_read *ledger; /* borrowed */
    const char *label;          /* borrowed */
    sqlite3_stmt *query;        /* for a hello's bytes. Owned. */
    struct slot *slots;
    size_t size; /* a power of two */
    size_t used;
    size_t pending;
    struct tls_rehearsal **different;
    size_t different_count;
    struct tls_context **contexts; /* of those that are expected, by number. Borrowed. */
    size_t context_count;
};

/* A hello with a context, to be rehearsed. */
struct job {
    struct slot *slot;
    size_t offset, length; /* of the hello's bytes in all of them */
};

/* What one process has found; shared. */
struct crew {
    uint32_t count;
    struct tls_rehearsal different[DIFFERENT_MAX];
};

/* What the processes have in common. */
struct play {
    const struct rehearsals *rehearsals;
    struct job *jobs;
    size_t job_count;
    uint8_t *bytes;
    size_t byte_count;
    _Atomic size_t *next; /* shared: the first job that nobody has taken */
    uint32_t *results;    /* shared, by job: crew * DIFFERENT_MAX + which + 1; 0: not done */
    struct crew *crews;   /* shared */
    unsigned crew_count;
};

/* ---- what is known ---- */

static size_t slot_hash(uint64_t hello, uint32_t context)
{
    uint64_t hash = (hello * 0x9e3779b97f4a7c15U) ^ (context * 0xc2b2ae3d27d4eb4fU);
    return (size_t)(hash ^ (hash >> 29));
}

/* Where it is, or would be. */
static struct slot *find_slot(const struct rehearsals *rehearsals, uint64_t hello, uint32_t context)
{
    size_t at = slot_hash(hello, context) & (rehearsals->size - 1);

    while (rehearsals->slots[at].hello != 0 &&
           (rehearsals->slots[at].hello != hello || rehearsals->slots[at].context != context))
        at = (at + 1) & (rehearsals->size - 1);
    return &rehearsals->slots[at];
}

static void grow(struct rehearsals *rehearsals)
{
    struct slot *old = rehearsals->slots;
    size_t old_size = rehearsals->size;

    rehearsals->size = old_size == 0 ? SLOTS_FIRST : 2 * old_size;
    rehearsals->slots = text_alloc(rehearsals->size, sizeof(*rehearsals->slots));
    for (size_t i = 0; i < old_size; i++)
        if (old[i].hello != 0)
            *find_slot(rehearsals, old[i].hello, old[i].context) = old[i];
    free(old);
}

/* The slot of HELLO and a context; *ADDED: it was not there. */
static struct slot *slot_of(struct rehearsals *rehearsals, int64_t hello, unsigned number,
                            bool *added)
{
    struct slot *slot = find_slot(rehearsals, (uint64_t)hello, number);

    *added = slot->hello == 0;
    if (!*added)
        return slot;
    if (4 * rehearsals->used >= 3 * rehearsals->size) {
        grow(rehearsals);
        slot = find_slot(rehearsals, (uint64_t)hello, number);
    }
    rehearsals->used++;
    *slot = (struct slot){.hello = (uint64_t)hello, .context = number, .rehearsal = PENDING};
    return slot;
}

/* The number of what equals REHEARSAL. */
static uint32_t keep(struct rehearsals *rehearsals, const struct tls_rehearsal *rehearsal)
{
    for (size_t i = 0; i < rehearsals->different_count; i++)
        if (tls_rehearsal_same(rehearsals->different[i], rehearsal))
            return (uint32_t)i + 1;
    rehearsals->different = text_resize(rehearsals->different, rehearsals->different_count + 1,
                                        sizeof(struct tls_rehearsal *));
    struct tls_rehearsal *copy = text_alloc(1, sizeof(*copy));
    *copy = *rehearsal;
    rehearsals->different[rehearsals->different_count++] = copy;
    return (uint32_t)rehearsals->different_count;
}

struct rehearsals *rehearsals_new(struct ledger_read *ledger, const char *label)
{
    struct rehearsals *rehearsals = text_alloc(1, sizeof(*rehearsals));

    rehearsals->ledger = ledger;
    rehearsals->label = label;
    rehearsals->query = ledger_read_prepare(ledger, "SELECT bytes FROM hello WHERE id = ?1");
    grow(rehearsals);
    if (rehearsals->query != NULL)
        return rehearsals;
    rehearsals_free(rehearsals);
    return NULL;
}

void rehearsals_free(struct rehearsals *rehearsals)
{
    if (rehearsals == NULL)
        return;
    sqlite3_finalize(rehearsals->query);
    for (size_t i = 0; i < rehearsals->different_count; i++)
        free(rehearsals->different[i]);
    free(rehearsals->different);
    free(rehearsals->contexts);
    free(rehearsals->slots);
    free(rehearsals);
}

/* The bytes of HELLO, until the next question; length 0: they are not there. */
static struct observation_text bytes_of(const struct rehearsals *rehearsals, uint64_t hello)
{
    sqlite3_reset(rehearsals->query);
    sqlite3_bind_int64(rehearsals->query, 1, (int64_t)hello);
    if (ledger_read_next(rehearsals->ledger, rehearsals->query))
        return ledger_read_text(rehearsals->query, 0);
    return (struct observation_text){0};
}

const struct tls_rehearsal *rehearsals_get(struct rehearsals *rehearsals,
                                           struct tls_context *context, unsigned number,
                                           int64_t hello)
{
    struct tls_rehearsal rehearsal;
    bool added;

    if (hello <= 0)
        return NULL;
    struct slot *slot = slot_of(rehearsals, hello, number, &added);
    if (slot->rehearsal == PENDING) {
        struct observation_text bytes = bytes_of(rehearsals, slot->hello);
        slot->rehearsal = 0;
        if (bytes.length > 0) {
            tls_rehearse(context, (const uint8_t *)bytes.bytes, bytes.length, rehearsals->label,
                         &rehearsal);
            slot->rehearsal = keep(rehearsals, &rehearsal);
        }
        sqlite3_reset(rehearsals->query);
    }
    return slot->rehearsal != 0 ? rehearsals->different[slot->rehearsal - 1] : NULL;
}

/* ---- all at once ---- */

void rehearsals_expect(struct rehearsals *rehearsals, struct tls_context *context, unsigned number,
                       int64_t hello)
{
    bool added = false;

    if (hello > 0)
        (void)slot_of(rehearsals, hello, number, &added);
    if (!added)
        return;
    rehearsals->pending++;
    if (number >= rehearsals->context_count) {
        rehearsals->contexts =
            text_resize(rehearsals->contexts, number + 1, sizeof(struct tls_context *));
        for (size_t i = rehearsals->context_count; i <= number; i++)
            rehearsals->contexts[i] = NULL;
        rehearsals->context_count = number + 1;
    }
    rehearsals->contexts[number] = context;
}

/* What is pending, with bytes, as far as there is room. */
static void collect(struct play *play)
{
    const struct rehearsals *rehearsals = play->rehearsals;
    size_t room = 1 << 20;

    play->jobs = text_alloc(rehearsals->pending, sizeof(*play->jobs));
    play->bytes = text_alloc(room, 1);
    for (size_t i = 0; i < rehearsals->size && play->byte_count < BYTES_MAX &&
                       play->job_count < rehearsals->pending;
         i++) {
        struct slot *slot = &rehearsals->slots[i];
        if (slot->hello == 0 || slot->rehearsal != PENDING)
            continue;
        struct observation_text bytes = bytes_of(rehearsals, slot->hello);
        if (bytes.length == 0)
            continue;
        while (room - play->byte_count < bytes.length)
            play->bytes = text_resize(play->bytes, room *= 2, 1);
        memcpy(play->bytes + play->byte_count, bytes.bytes, bytes.length);
        play->jobs[play->job_count++] =
            (struct job){.slot = slot, .offset = play->byte_count, .length = bytes.length};
        play->byte_count += bytes.length;
    }
    sqlite3_reset(rehearsals->query);
}

/* Room that processes share; NULL: there is none. */
static void *shared(size_t size)
{
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return room != MAP_FAILED ? room : NULL;
}

/* JOB is done by the process NUMBER. 0: it cannot be noted. */
static uint32_t rehearse(const struct play *play, unsigned number, const struct job *job)
{
    const struct rehearsals *rehearsals = play->rehearsals;
    struct crew *crew = &play->crews[number];
    struct tls_rehearsal rehearsal;
    uint32_t which = 0;

    tls_rehearse(rehearsals->contexts[job->slot->context], play->bytes + job->offset, job->length,
                 rehearsals->label, &rehearsal);
    while (which < crew->count && !tls_rehearsal_same(&crew->different[which], &rehearsal))
        which++;
    if (which == DIFFERENT_MAX)
        return 0;
    if (which == crew->count) {
        crew->different[which] = rehearsal;
        crew->count++;
    }
    return number * DIFFERENT_MAX + which + 1;
}

/* Work as the process NUMBER until nothing is left. */
static void work(const struct play *play, unsigned number)
{
    for (;;) {
        size_t first = atomic_fetch_add(play->next, AT_ONCE);
        if (first >= play->job_count)
            return;
        for (size_t i = first; i < first + AT_ONCE && i < play->job_count; i++)
            play->results[i] = rehearse(play, number, &play->jobs[i]);
    }
}

/* All processes, of which this is the first. */
static void work_together(const struct play *play)
{
    pid_t children[CREWS_MAX];
    unsigned count = 0;
    const pid_t parent = getpid();

    for (unsigned number = 1; number < play->crew_count; number++) {
        pid_t child = fork();
        if (child == 0) {
            if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
                work(play, number);
            _exit(0);
        }
        if (child > 0)
            children[count++] = child;
    }
    work(play, 0);
    for (unsigned i = 0; i < count; i++)
        (void)waitpid(children[i], NULL, 0);
}

/* What was done is known. */
static void take_results(struct rehearsals *rehearsals, const struct play *play)
{
    uint32_t *known = text_alloc((size_t)play->crew_count * DIFFERENT_MAX, sizeof(*known));

    for (size_t i = 0; i < play->job_count; i++) {
        uint32_t result = play->results[i];
        if (result == 0 || result > play->crew_count * DIFFERENT_MAX)
            continue;
        result--;
        if (known[result] == 0)
            known[result] = keep(
                rehearsals, &play->crews[result / DIFFERENT_MAX].different[result % DIFFERENT_MAX]);
        play->jobs[i].slot->rehearsal = known[result];
    }
    free(known);
}

void rehearsals_perform(struct rehearsals *rehearsals)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct play play = {.rehearsals = rehearsals};

    if (rehearsals->pending < JOBS_MIN || processors < 2)
        return;
    play.crew_count = processors < CREWS_MAX ? (unsigned)processors : CREWS_MAX;
    collect(&play);
    size_t result_size = (play.job_count + 1) * sizeof(*play.results);
    size_t crew_size = play.crew_count * sizeof(*play.crews);
    play.next = shared(sizeof(*play.next));
    play.results = shared(result_size);
    play.crews = shared(crew_size);
    if (play.next != NULL && play.results != NULL && play.crews != NULL) {
        work_together(&play);
        take_results(rehearsals, &play);
    }
    if (play.next != NULL)
        munmap(play.next, sizeof(*play.next));
    if (play.results != NULL)
        munmap(play.results, result_size);
    if (play.crews != NULL)
        munmap(play.crews, crew_size);
    free(play.jobs);
    free(play.bytes);
    rehearsals->pending = 0;
}
