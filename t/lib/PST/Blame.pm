# SPDX-License-Identifier: Apache-2.0
#
# A server with one guilty module and an innocent one, and the result of looks at it: t/doctor/blame.t and
# t/cases/blame.t.
package PST::Blame;
use strict;
use warnings;
use PST;
use PST::Cases;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

my @scopes = qw(process connection request);
my %sites = (process => qr/poolguilty_(?:process|regex)/, connection => qr/poolguilty_connection/, request => qr/poolguilty_chunk/);
my $n = 0;

# profile, innocents; bytes => { scope => what is kept for each request, or chunk of a stream }; apart => seconds between requests of a
# connection
sub new {
    my ($class, $name, %o) = @_;
    my $prefork = mpm() eq 'prefork';
    my $limits = $prefork ? "StartServers 6\nMinSpareServers 2\nMaxSpareServers 20\nServerLimit 20\nMaxRequestWorkers 20\n"
      : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
    my $s = PST::Server->new('blame-' . ++$n, limits => $limits, conf => modules()
        . "PoolStatProfile $o{profile}\nPoolInnocents $o{innocents}\nPoolGuilty regex 1\n"
        . join('', map "PoolGuilty $_ $o{bytes}{$_}\n", @scopes)
        . "<Location /guilty>\nSetHandler poolguilty\n</Location>\n");
    ok($s->start, "a server: $name") or BAIL_OUT($s->start_text . $s->log_text);
    kept($s->port, 2, $o{apart}, '/small.txt', streams => 2, stream_path => '/guilty');
    return bless { server => $s, name => $name, looks => {}, lost => {}, wrong => {}, last => {}, site => {} }, $class;
}

# The result of one look: for each scope those that are named
sub look {
    my ($it) = @_;
    my $json = eval { $it->{server}->json(timeout => 20) } or return;
    my %named;
    for my $c (@{ $json->{children} }) {
        my @verdicts = ([ process => $c->{verdict}{process} ],
            map { [ $_->{verdict}{scope}, $_->{verdict} ] } grep { $_->{verdict} && $_->{verdict}{scope} } @{ $c->{connections} });
        for (@verdicts) {
            my ($scope, $v) = @$_;
            $named{$scope}{ $v->{blamed} // 'nobody' } = $v if $v->{state} eq 'growing';
        }
        for my $site (grep { $_->{verdict} && $_->{verdict}{blamed} } @{ $c->{sites} }) {
            $it->{site}{ $site->{verdict}{blamed} }++;
        }
    }
    $it->{wrong}{"$_->{id} $_->{blamed}"}++ for grep { $_->{blamed} && $_->{blamed} ne 'mod_poolguilty.so' } @{ $json->{findings} };
    for my $scope (@scopes) {
        my @who = sort keys %{ $named{$scope} // {} };
        $it->{wrong}{"$scope $_"}++ for grep { !/^(?:nobody|mod_poolguilty\.so)$/ } @who;
        # everything that grows has a name: looks count from then on
        my $known = @who && !grep { $_ eq 'nobody' } @who;
        $it->{looks}{$scope}++, $it->{last}{$scope} = $named{$scope}{'mod_poolguilty.so'} if $known && "@who" eq 'mod_poolguilty.so';
        $it->{lost}{$scope}++ if !$known && @who && ($it->{looks}{$scope} // 0) > 0 && mpm() ne 'prefork';
    }
}

# Look at each once a second, until all were named that often in each scope
sub watch {
    my ($all, $looks, $seconds) = @_;
    my $begun = time;
    wait_for(sub {
        for my $it (@$all) {
            next if $it->{looked} && time - $it->{looked} < 1;
            $it->look;
            $it->{looked} = time;
        }
        return !grep { my $it = $_; grep { ($it->{looks}{$_} // 0) < $looks } @scopes } @$all;
    }, $seconds);
    $_->{wanted} = $looks for @$all;
    note(sprintf 'after %.0f s', time - $begun);
}

sub judge {
    my ($it) = @_;
    subtest $it->{name} => sub {
        for my $scope (@scopes) {
            cmp_ok($it->{looks}{$scope} // 0, '>=', $it->{wanted}, "$scope: named in $it->{wanted} looks");
            is($it->{lost}{$scope} // 0, 0, 'and in all since the first');
            my $v = $it->{last}{$scope} or next;
            cmp_ok($v->{share_percent} // 0, '>', 80, 'holds most of what stayed');
            like($v->{site}, $sites{$scope}, "its function: $v->{site}");
        }
        is(join(' ', %{ $it->{wrong} }), '', 'nobody else ever is');
        is(join(' ', grep { $_ ne 'mod_poolguilty.so' } keys %{ $it->{site} }), '', 'nor does a call site of anybody else grow');
        my ($regex) = grep { ($_->{by} // '') eq 'ap_pregcomp' } @{ $it->{server}->json->{total}{sites} };
        is($regex && $regex->{blamed}, 'mod_poolguilty.so', 'what it does by a function of httpd is its own');
        is($it->{server}->stop, 0, 'stops');
        unlike($it->{server}->log_text, qr/exit signal/, 'no crash');
    };
}

1;
