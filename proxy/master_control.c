/*
 * master_control.c: what is asked for on the control socket: how the daemon is, a reload, the end.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "proxy/chance_report.h"
#include "proxy/json.h"
#include "proxy/log.h"
#include "proxy/master_internal.h"
#include "proxy/version.h"

/* "gatepost status": the whole and each worker. */
static void master_status(struct master *master, FILE *out)
{
    fprintf(out, "gatepost %s, master process %ld, configuration %s, up %ld seconds\n",
            GATEPOST_VERSION, (long)getpid(), master->source->directory,
            (long)(time(NULL) - master->started));
    stress_report_print(&master->stress, out);
    metrics_publish_print(&master->metrics, out);
    if (master->current != NULL)
        chance_report_print(worker_slots_chance(master->slots),
                            master->current->blueprint->services[0], out);
    if (master->current != NULL)
        generation_status(master->current, out);
    if (master->coming != NULL)
        generation_status(master->coming, out);
    for (const struct generation *one = master->leaving; one != NULL; one = one->next)
        generation_status(one, out);
    ledger_keeper_status(master->ledger, out);
}

/* The same for programs. */
static void master_status_json(struct master *master, FILE *out)
{
    struct json json = {.out = out};

    json_object(&json, NULL);
    json_string(&json, "version", GATEPOST_VERSION);
    json_number(&json, "master", (long long)getpid());
    json_string(&json, "configuration", master->source->directory);
    json_number(&json, "uptime", (long long)(time(NULL) - master->started));
    stress_report_json(&master->stress, &json);
    metrics_publish_json(&master->metrics, &json);
    if (master->current != NULL)
        chance_report_json(worker_slots_chance(master->slots),
                           master->current->blueprint->services[0], &json);
    json_array(&json, "processes");
    if (master->current != NULL)
        generation_status_json(master->current, &json);
    if (master->coming != NULL)
        generation_status_json(master->coming, &json);
    for (const struct generation *one = master->leaving; one != NULL; one = one->next)
        generation_status_json(one, &json);
    ledger_keeper_status_json(master->ledger, &json);
    json_end_array(&json);
    json_array(&json, "backends");
    if (master->current != NULL)
        generation_backends_json(master->current, &json);
    json_end_array(&json);
    json_end_object(&json);
}

void master_answer_reload(struct master *master, bool ok, const char *text)
{
    if (master->asker == NULL || master->asker_waits)
        return;
    fprintf(control_out(master->asker), "%s\n", text);
    control_finish(master->asker, ok);
    master->asker = NULL;
}

void master_on_command(void *owner, const char *command, struct control_request *request)
{
    struct master *master = owner;

    if (strcmp(command, "status") == 0) {
        master_status(master, control_out(request));
        control_finish(request, true);
    } else if (strcmp(command, "status --json") == 0) {
        master_status_json(master, control_out(request));
        control_finish(request, true);
    } else if (strcmp(command, "status --metrics") == 0) {
        metrics_publish_page(&master->metrics, ledger_keeper_stats(master->ledger),
                             control_out(request));
        control_finish(request, true);
    } else if (strncmp(command, CHANCE_REPORT_COMMAND, strlen(CHANCE_REPORT_COMMAND)) == 0) {
        control_finish(request, master->current != NULL &&
                                    chance_report_answer(worker_slots_chance(master->slots),
                                                         master->current->blueprint->services[0],
                                                         command + strlen(CHANCE_REPORT_COMMAND),
                                                         control_out(request)));
    } else if (strcmp(command, "stop") == 0) {
        log_info("terminating on request");
        control_finish(request, true);
        master_stop(master, EX_OK);
    } else if (strcmp(command, "reload") == 0 && master->asker == NULL && !master->stopping) {
        master->asker = request;
        master->asker_waits = true;
        master_reload(master, RELOAD_ALL);
    } else if (strcmp(command, "reload") == 0) {
        fprintf(control_out(request),
                "gatepost: a reload is under way, or the daemon is stopping\n");
        control_finish(request, false);
    } else {
        fprintf(control_out(request), "gatepost: the daemon does not know \"%s\"\n", command);
        control_finish(request, false);
    }
}
