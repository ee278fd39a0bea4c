# net_smtp_send.pl CERTIFICATE LIST: delivers the messages of the list with Net::SMTP.
use strict;
use warnings;
use IO::Socket::SSL;
use Net::SMTP;

my ($certificate, $list) = @ARGV;
my $context = IO::Socket::SSL::SSL_Context->new(
    SSL_ca_file => $certificate, SSL_verify_mode => SSL_VERIFY_PEER, SSL_session_cache_size => 10);
open(my $jobs, '<', $list) or die $!;
while (my $line = <$jobs>) {
    chomp $line;
    my ($host, $port, $source, $sender, $recipient, $path, $flags) = split /\t/, $line;
    my @bind = $source eq '-' ? () : (LocalAddr => $source);
    my $session = Net::SMTP->new($host, Port => $port, Hello => 'perl.client.example', @bind)
        or die "$host: $@";
    $session->starttls(
        SSL_reuse_ctx => $context, SSL_verifycn_scheme => 'smtp', SSL_verifycn_name => 'localhost',
        SSL_session_key => 'gatepost') or die "STARTTLS: $IO::Socket::SSL::SSL_ERROR";
    my @options = $flags =~ /8bit/ ? (Bits => '8') : ();
    open(my $message, '<:raw', $path) or die $!;
    my $content = do { local $/; <$message> };
    $session->mail($sender, @options) && $session->to($recipient) && $session->data($content)
        or die $session->code . ' ' . $session->message;
    $session->quit;
}
