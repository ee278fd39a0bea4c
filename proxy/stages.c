#include "proxy/stages.h"

#include <stdlib.h>
#include <string.h>

#include "policy/diag_once.h"
#include "policy/text.h"

/* The id of NAME in the ledger; 0: it is not there. */
static int64_t find_name(struct ledger_read *ledger, const char *name)
{
    sqlite3_stmt *query = ledger_read_prepare(ledger, "SELECT id FROM name WHERE text = ?1");
    int64_t id = 0;

    if (query != NULL)
        sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC);
    if (ledger_read_next(ledger, query))
        id = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return id;
}

/* The listeners that have parameters of their own. */
static bool begin_own(struct stages *stages, const char *label, struct ledger_read *ledger,
                      struct diag *diag)
{
    stages->own = text_alloc(stages->listeners.count + 1, sizeof(*stages->own));
    for (size_t i = 0; i < stages->listeners.count; i++) {
        const struct listen_spec *spec = &stages->listeners.specs[i];
        if (!spec->own_parameters)
            continue;
        struct own_stage *own = &stages->own[stages->own_count++];
        own->name = spec->name;
        own->name_id = find_name(ledger, spec->name);
        if (!stage_begin(&own->stage, label, spec->config, &stages->main, ledger, diag))
            return false;
    }
    return true;
}

bool stages_begin(struct stages *stages, const char *label, const struct config *config,
                  struct ledger_read *ledger, struct diag *diag)
{
    struct diag_once once;

    *stages = (struct stages){0};
    diag_once_begin(&once, diag);
    bool good = stage_begin(&stages->main, label, config, NULL, ledger, &once.diag) &&
                listen_list_parse(config, &stages->listeners, &once.diag) == 0 &&
                begin_own(stages, label, ledger, &once.diag);
    diag_once_end(&once);
    return good;
}

void stages_end(struct stages *stages)
{
    for (size_t i = 0; i < stages->own_count; i++)
        stage_end(&stages->own[i].stage);
    free(stages->own);
    stage_end(&stages->main);
    listen_list_free(&stages->listeners);
    *stages = (struct stages){0};
}

struct stage *stages_find(struct stages *stages, int64_t name_id, const char **name)
{
    for (size_t i = 0; name_id != 0 && i < stages->own_count; i++)
        if (stages->own[i].name_id == name_id) {
            *name = stages->own[i].name;
            return &stages->own[i].stage;
        }
    *name = NULL;
    return &stages->main;
}

bool stages_listen(const struct stages *stages, const char *name)
{
    for (size_t i = 0; i < stages->listeners.count; i++)
        if (strcmp(stages->listeners.specs[i].name, name) == 0)
            return true;
    return false;
}

void stages_perform(const struct stages *stages)
{
    rehearsals_perform(stages->main.rehearsals);
    for (size_t i = 0; i < stages->own_count; i++)
        rehearsals_perform(stages->own[i].stage.rehearsals);
}
