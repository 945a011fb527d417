# SPDX-License-Identifier: Apache-2.0
#
# What the heap profile costs: instructions of a request with PoolStatHeapProfile 512K compared with Off, for
# requests with no malloc, with thousands (mod_perl, mod_php), or with those of a TLS handshake.
package Heap;
use strict;
use warnings;
use Instructions;
use Server;

our @VARIANTS = qw(heapoff heapon);

# few, many: requests of the two runs. Callgrind makes a page of thousands of mallocs slow.
our @CASES = (
    { id => 'static', name => 'a small file, kept connection', keep => 1, path => '/small.txt', few => 200, many => 1200 },
    { id => 'perl', name => 'a mod_perl page', keep => 1, path => '/perl', few => 20, many => 120, needs => 'mod_perl.so' },
    { id => 'php', name => 'a mod_php page', keep => 1, path => '/page.php', few => 20, many => 120, needs => 'libphp*.so' },
    { id => 'tls', name => 'a TLS connection for a small file', tls => 1, path => '/small.txt', few => 20, many => 120, needs => 'mod_ssl.so' },
);

my $perl = <<'EOT';
package BenchPage;
use strict;
use Apache2::RequestRec ();
use Apache2::RequestIO ();
sub handler {
    my $r = shift;
    my %rows = map { ("key $_" => [ $_, "name $_", { of => $_ } ]) } 1 .. 400;
    $r->content_type('text/plain');
    $r->print(join '', map "$rows{$_}[1]\n", sort keys %rows);
    return 0;
}
1;
EOT
my $php = '<?php $rows = []; for ($i = 0; $i < 2000; $i++) { $rows["key $i"] = [$i, "name $i"]; } ksort($rows); $d = new DOMDocument(); '
  . '$t = $d->appendChild($d->createElement("t")); foreach (array_slice($rows, 0, 300) as $k => $v) { $t->appendChild($d->createElement("r", $v[1])); } echo strlen($d->saveXML());';

sub _text {
    my ($case) = @_;
    my $work = $Server::env{work};
    if ($case->{id} eq 'perl') {
        mkdir "$work/perl";
        Server::write_file("$work/perl/BenchPage.pm", $perl);
        return "LoadModule perl_module \@MODULES\@/mod_perl.so\nPerlSwitches -I\@WORK\@/perl\nPerlModule BenchPage\n"
             . "<Location /perl>\nSetHandler modperl\nPerlResponseHandler BenchPage\n</Location>\n";
    }
    if ($case->{id} eq 'php') {
        my ($so) = sort { $b cmp $a } glob "$Server::env{modules}/libphp*.so";
        Server::write_file("$work/htdocs/page.php", $php);
        return "LoadModule php_module $so\n<FilesMatch \"\\.php\$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n";
    }
    return '' if $case->{id} ne 'tls';
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
         . "-keyout $work/key.pem -out $work/cert.pem >$work/openssl 2>&1") == 0 or die "openssl makes no certificate\n";
    Server::own("$work/key.pem", "$work/cert.pem");
    return "LoadModule ssl_module \@MODULES\@/mod_ssl.so\nSSLEngine On\nSSLCertificateFile \@WORK\@/cert.pem\nSSLCertificateKeyFile \@WORK\@/key.pem\n";
}

# [ case, { variant => [ figures ] } ] for each case that this machine can run; the others are listed by name.
sub measure {
    my ($times, $say) = @_;
    my @rows;
    for my $case (@CASES) {
        my @there = glob "$Server::env{modules}/" . ($case->{needs} // '');
        if (!@there) {
            $say->("heap profile: $case->{name}: not here: $case->{needs}");
            next;
        }
        my %how = (mpm => 'prefork', client => 'ab', %$case, extra => _text($case));
        my %figures;
        for (1 .. $times) {
            push @{ $figures{$_} }, Instructions::per_request(\%how, $_, few => $case->{few}, many => $case->{many}, path => $case->{path}, extra => $how{extra})
              for @VARIANTS;
        }
        $say->(sprintf 'heap profile: %s: %s', $case->{name}, join ', ', map { sprintf '%s %.0f', $_, $figures{$_}[0] } @VARIANTS);
        push @rows, [ $case, \%figures ];
    }
    return \@rows;
}

1;
