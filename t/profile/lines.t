# The page and JSON name the line of code where the probe leaks, by the command as PoolStatSymbols names it; without it they name
# the function, as far as it is exported; a program that hangs or is none holds nobody up.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

plan skip_all => 'the same on every MPM: done on the first' unless PST::stage()->{first};
plan skip_all => 'no libdw here' if !grep { -e } map { glob } '/usr/lib/libdw.so.1 /usr/lib64/libdw.so.1 /usr/lib/*/libdw.so.1 /lib/*/libdw.so.1';

my $limits = mpm() eq 'prefork'
    ? "StartServers 3\nMinSpareServers 3\nMaxSpareServers 3\nServerLimit 6\nMaxRequestWorkers 6\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 1\nMaxSpareThreads 10\nMaxRequestWorkers 10\n";
my $top = PST::stage()->{top};
PST::Stage::write_file("$top/t/logs/hangs", "#!/bin/sh\nexec sleep 600\n");
chmod 0755, "$top/t/logs/hangs";

# the places of the probe's leak, in JSON and on the page
sub leak_on {
    my ($symbols) = @_;
    my $s = PST::Server->new('lines', conf => "PoolStatProfile 64K\nPoolStatSymbols $symbols\n", limits => $limits);
    ok($s->start, "a server with PoolStatSymbols $symbols") or BAIL_OUT($s->start_text . $s->log_text);
    my $p = PST::Probe->start('pool=request&leak_here=4096&bytes=8152', hold => [qw(hold)], port => $s->port, ask => $s->port);
    my $pid = $p->arrived('hold', 60)->{pid};
    my ($json, $page, $frame);
    wait_for(sub {
        $json = $s->json;
        $page = $s->fetch("/pool-status?pid=$pid")->{body};
        ($frame) = map { $_->{frames}[0] } grep { ($_->{frames}[0]{function} // '') eq 'poolprobe_leak' } @{ child_of($json, $pid)->{sites} };
        return $frame && ($symbols ne program() || $frame->{file});
    }, 20);
    $p->finish;
    $s->stop;
    return ($frame, $page);
}

my ($frame, $page) = leak_on(program());
like($frame->{file}, qr/mod_poolprobe\.c$/, 'the file');
cmp_ok($frame->{line}, '>', 0, 'and the line');
like($frame->{place}, qr/^mod_poolprobe\.so poolprobe_leak \(mod_poolprobe\.c:$frame->{line}\)$/, 'as people say it');
like($page, qr/mod_poolprobe\.so poolprobe_leak \(mod_poolprobe\.c:\d+\)/, 'on the page, too');
for my $none ('Off', "$top/t/logs/hangs", '/dev/null') {
    ($frame, $page) = leak_on($none);
    is($frame->{file}, undef, "$none: no file");
    like($frame->{place}, qr/^mod_poolprobe\.so poolprobe_leak\+0x/, 'the function is named all the same');
    like($page, qr/mod_poolprobe\.so poolprobe_leak\+0x/, 'and the page is there');
}
done_testing;
