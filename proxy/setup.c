#include "proxy/setup.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "policy/text.h"

#include "proxy/check.h"
#include "proxy/setup_plan.h"
#include "proxy/setup_shell.h"
#include "proxy/setup_store.h"
#include "proxy/setup_trial.h"

#define PATIENCE 20 /* seconds, for a port to be taken or left */

/* One setup. */
struct setup {
    struct setup_plan plan;
    struct setup_store store;
    bool off_port; /* Postfix may have been taken off the port */
    FILE *out;
    struct diag *diag;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* Signals that would end the program become a reason to put everything back; or, once that is done,
 * nothing. */
static void handle_signals(void (*handler)(int))
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = handler};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* Tell what is being done now. */
static void say(struct setup *setup, const char *what)
{
    fprintf(setup->out, "-- %s\n", what);
    fflush(setup->out);
}

/* A command, shown and run. */
static bool run(struct setup *setup, const char *command)
{
    say(setup, command);
    return setup_shell_run(command, setup->diag);
}

/* Wait until the port of TRIAL is taken or, without TAKEN, left. */
static bool wait_for_port(const struct setup_trial *trial, bool taken)
{
    const struct timespec pause = {.tv_nsec = 100000000};

    for (int i = 0; i < PATIENCE * 10 && !interrupted; i++) {
        if (setup_trial_answers(trial) == taken)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Commands FIRST up to but not with END. */
static bool run_commands(struct setup *setup, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        if (interrupted || !run(setup, setup->plan.commands[i]))
            return false;
    }
    return true;
}

/* All files are written. */
static bool write_texts(struct setup *setup)
{
    for (size_t i = 0; i < setup->plan.text_count; i++) {
        const struct setup_text *file = &setup->plan.texts[i];

        say(setup, file->path);
        if (setup_write_file(file->path, file->text, strlen(file->text), 0644, setup->diag) != 0)
            return false;
    }
    return true;
}

/* "gatepost check", with Postfix's new service there. */
static bool check(struct setup *setup)
{
    unsigned errors = setup->diag->errors;

    say(setup, "gatepost check");
    if (!wait_for_port(&setup->plan.backend, true)) {
        diag_error(setup->diag, "Postfix does not listen on %s:%s", setup->plan.backend.host,
                   setup->plan.backend.port);
        return false;
    }
    (void)check_run(setup->plan.config, NULL, setup->diag);
    return setup->diag->errors == errors;
}

/* Postfix leaves the port, if it is there. */
static bool leave_port(struct setup *setup)
{
    const struct setup_plan *plan = &setup->plan;

    setup->off_port = true;
    if (!run_commands(setup, plan->removal, plan->command_count))
        return false;
    if (wait_for_port(&plan->trial, false))
        return true;
    diag_error(setup->diag, "somebody still listens on %s port %s", plan->host, plan->port);
    return false;
}

/* gatepost takes it, and a message goes through. */
static bool start_and_try(struct setup *setup)
{
    const struct setup_trial *trial = &setup->plan.trial;
    char outcome[1024];

    if (!run(setup, setup->plan.start))
        return false;
    say(setup, "a message");
    if (!wait_for_port(trial, true)) {
        diag_error(setup->diag, "nobody listens on %s port %s: see gatepost's log", trial->host,
                   trial->port);
        return false;
    }
    if (!setup_trial_send(trial, outcome, sizeof(outcome))) {
        diag_error(setup->diag, "the message was not taken: %s", outcome);
        return false;
    }
    fprintf(setup->out, "   taken: %s\n", outcome);
    return true;
}

/* Everything, in its order. Whether Postfix serves what check asks before it leaves the port
 * depends on whether it could have been told before. */
static bool apply(struct setup *setup)
{
    const struct setup_plan *plan = &setup->plan;
    const bool live =
        plan->removal > 0 && strcmp(plan->commands[plan->removal - 1], plan->reload) == 0;

    return write_texts(setup) && run_commands(setup, 0, plan->removal) && (!live || check(setup)) &&
           leave_port(setup) && (live || check(setup)) && !interrupted && start_and_try(setup) &&
           setup_store_complete(&setup->store, setup->diag) == 0;
}

/* gatepost ends, and all files and Postfix are as they were. */
static bool put_back(struct setup *setup)
{
    const struct setup_journal *journal = &setup->store.journal;

    const struct setup_trial listener = {.host = journal->host, .port = journal->port};

    handle_signals(SIG_IGN);
    interrupted = 0;
    bool good = run(setup, journal->stop);
    /* Postfix would not start a service on a port that is taken. */
    if (good && setup->off_port)
        (void)wait_for_port(&listener, false);
    say(setup, "the files as they were");
    good = setup_store_restore(&setup->store, setup->out, setup->diag) == 0 && good;
    good = run(setup, journal->reload) && good;
    if (good && wait_for_port(&listener, true))
        fprintf(setup->out, "   Postfix answers on %s port %s\n", journal->host, journal->port);
    if (good)
        setup_store_remove(&setup->store);
    else
        diag_error(setup->diag, "not all could be put back; the copies are in %s",
                   setup->store.directory);
    return good;
}

/* Ask a person. */
static bool agreed(const struct setup_request *request, FILE *out, struct diag *diag)
{
    char answer[16];

    if (request->yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        diag_error(diag, "nobody can be asked here: --yes says that it shall be done");
        return false;
    }
    fputs("Do it? [y/N] ", out);
    fflush(out);
    return fgets(answer, sizeof(answer), stdin) != NULL && (*answer == 'y' || *answer == 'Y');
}

/* What can be known to fail before anything is changed. */
static bool is_possible(struct setup *setup)
{
    if (setup_store_exists(&setup->store)) {
        diag_error(setup->diag, "gatepost has been set up here: gatepost setup --undo first (%s)",
                   setup->store.directory);
        return false;
    }
    if (setup_trial_answers(&setup->plan.backend)) {
        diag_error(setup->diag,
                   "somebody listens on %s:%s already; another place for Postfix: -o "
                   "gatepost_backend=inet:127.0.0.1:PORT",
                   setup->plan.backend.host, setup->plan.backend.port);
        return false;
    }
    if (!setup_shell_run(setup->plan.running, setup->diag)) {
        diag_error(setup->diag, "this Postfix does not run; setup wants one that works");
        return false;
    }
    return true;
}

/* Note all that will change, and how to undo it. */
static int keep(struct setup *setup)
{
    struct setup_journal *journal = &setup->store.journal;
    int status = setup_store_add(&setup->store, setup->plan.master, setup->diag);

    journal->reload = text_copy(setup->plan.reload);
    journal->stop = text_copy(setup->plan.stop);
    journal->host = text_copy(setup->plan.host);
    journal->port = text_copy(setup->plan.port);
    for (size_t i = 0; i < setup->plan.text_count && status == 0; i++)
        status = setup_store_add(&setup->store, setup->plan.texts[i].path, setup->diag);
    return status == 0 ? setup_store_keep(&setup->store, setup->diag) : -1;
}

/* The plan is there and agreed to. */
static int carry_out(struct setup *setup)
{
    if (keep(setup) != 0)
        return 1;
    handle_signals(on_signal);
    if (apply(setup)) {
        fprintf(setup->out, "gatepost stands in front of Postfix. Back: gatepost setup --undo\n");
        return 0;
    }
    if (interrupted)
        diag_error(setup->diag, "interrupted");
    fputs("It did not work. Everything is put back:\n", setup->out);
    (void)put_back(setup);
    return 1;
}

/* The way there. */
static int set_up(const struct setup_request *request, struct setup *setup)
{
    if (setup_plan_make(request, &setup->plan, setup->diag) != 0)
        return 1;
    setup_store_begin(&setup->store, request->directory);
    setup_plan_print(&setup->plan, setup->store.directory, setup->out);
    if (request->dry_run) {
        fprintf(setup->out, "\nThe gatepost.cf:\n\n%s", setup->plan.texts[0].text);
        return 0;
    }
    return is_possible(setup) && agreed(request, setup->out, setup->diag) ? carry_out(setup) : 1;
}

/* The way back. */
static int undo(const struct setup_request *request, struct setup *setup)
{
    const struct setup_journal *journal = &setup->store.journal;

    setup->off_port = true;
    setup_store_begin(&setup->store, request->directory);
    if (!setup_store_exists(&setup->store)) {
        diag_error(setup->diag, "there is nothing to undo in %s", setup->store.directory);
        return 1;
    }
    if (setup_store_load(&setup->store, setup->diag) != 0)
        return 1;
    fprintf(setup->out, " 1. Stop gatepost:\n     %s\n 2. As before gatepost setup:\n",
            journal->stop);
    for (size_t i = 0; i < journal->count; i++)
        fprintf(setup->out, "     %s%s\n", journal->files[i].path,
                journal->files[i].existed ? "" : " (removed)");
    fprintf(setup->out, " 3. %s\n", journal->reload);
    if (request->dry_run)
        return 0;
    return agreed(request, setup->out, setup->diag) && put_back(setup) ? 0 : 1;
}

int setup_command(const struct setup_request *request, FILE *out, struct diag *diag)
{
    struct setup setup = {.out = out, .diag = diag};
    int status = request->undo ? undo(request, &setup) : set_up(request, &setup);

    setup_plan_free(&setup.plan);
    setup_store_free(&setup.store);
    return status;
}
