"""What SpamAssassin makes of a message's Received fields: its own parser, with no rules and no
network."""

import re
import subprocess

_SCRIPT = r"""
use strict; use warnings;
use Mail::SpamAssassin;
my ($trusted) = @ARGV;
local $/; my $text = <STDIN>;
my $filter = Mail::SpamAssassin->new({config_text => "trusted_networks $trusted\n",
    local_tests_only => 1, dont_copy_prefs => 1, username => 'nobody',
    userstate_dir => '/nonexistent', userprefs_filename => '/nonexistent'});
$filter->init(0);
my $message = $filter->parse($text);
my $status = Mail::SpamAssassin::PerMsgStatus->new($filter, $message);
$message->extract_message_metadata($status);
print "$_: ", $message->get_metadata("X-Spam-Relays-$_"), "\n" for qw(Trusted Untrusted);
"""


def is_installed():
    """Whether there is a SpamAssassin."""
    return subprocess.run(["perl", "-MMail::SpamAssassin", "-e", "1"], capture_output=True,
                          check=False).returncode == 0


def relays(message, trusted):
    """The relays that it reads from the Received fields, the last first: {"Trusted": [...],
    "Untrusted": [...]}, each a dictionary with ip, rdns, helo, by, id, auth and so on."""
    result = subprocess.run(["perl", "-e", _SCRIPT, trusted], input=message, capture_output=True,
                            check=False, timeout=60)
    assert result.returncode == 0, result
    found = {}
    for line in result.stdout.decode("latin-1").splitlines():
        name, _, text = line.partition(": ")
        found[name] = [dict(re.findall(r"(\w+)=(\S*)", relay))
                       for relay in re.findall(r"\[ (.*?) \]", text)]
    return found
