# SPDX-License-Identifier: Apache-2.0
#
# User-space instructions of one request, by the difference of two runs of
# callgrind: (instructions with 1200 requests - with 200) / 1000. Start, end and
# whatever happens once cancel out.
package Instructions;
use strict;
use warnings;
use Server;
use Time::HiRes qw(sleep);

our ($FEW, $MANY) = (200, 1200);

# Each case: what the server is and what the client does with it.
our @CASES = (
    { id => 'prefork-ka',   name => 'prefork, keep-alive',           mpm => 'prefork', client => 'ab', keep => 1 },
    { id => 'prefork-conn', name => 'prefork, connection a request', mpm => 'prefork', client => 'ab' },
    { id => 'event-ka',     name => 'event, keep-alive',             mpm => 'event',   client => 'ab', keep => 1 },
    { id => 'event-conn',   name => 'event, connection a request',   mpm => 'event',   client => 'ab' },
    { id => 'h2c',          name => 'h2c (event), one stream at a time', mpm => 'event', h2c => 1, client => 'h2load' },
);

# What a client does: n requests, one after the other.
sub load {
    my ($case, $url, $n) = @_;
    return ('h2load', '-c1', '-m1', '-n', $n, $url) if $case->{client} eq 'h2load';
    return ('ab', '-q', '-l', '-c1', ($case->{keep} ? '-k' : ()), '-n', $n, $url);
}

# run(case, variant, n, path, before => sub (server), out, options, extra):
# instructions of a whole run with n requests.
sub run {
    my ($case, $variant, $n, %how) = @_;
    my $server = Server->new(extra => $how{extra}, %$case, variant => $variant);
    my $out = $how{out} || "$server->{dir}/callgrind.out";
    $server->start(callgrind => $out, options => $how{options});
    my ($held, $text);
    my $ok = eval {
        $held = $how{before}->($server) if $how{before};
        $text = Server::client("$server->{dir}/client", 'taskset', '-c', $Server::env{cpu},
                               load($case, $server->url($how{path}), $n));
    };
    my $failed = $@;
    sleep 0.05;     # let the server see the client's end in every run, not in some
    $server->stop;
    die $failed unless $ok;
    die "requests failed:\n$text" if $text =~ /^(?:Failed|Non-2xx).*:\s+[1-9]|[1-9]\d* (?:failed|errored|timeout)/m;
    my ($sum) = Server::read_file($out) =~ /^summary:\s+(\d+)/m;
    die "callgrind left no sum in $out\n" unless defined $sum;
    return $sum;
}

# Instructions of one request.
sub per_request {
    my ($case, $variant, %how) = @_;
    my ($few, $many) = ($how{few} || $FEW, $how{many} || $MANY);
    my $least = run($case, $variant, $few, %how);
    return (run($case, $variant, $many, %how) - $least) / ($many - $few);
}

1;
